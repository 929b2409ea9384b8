// From a graph to a Plan: kernels, layouts, aliasing, memory, the extent program.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "ir/graph.h"
#include "kernel/kernel.h"
#include "plan/data/plan.h"

namespace monza::plan {

class Tactics;
class WeightStore;

/// Range of one symbol of the graph's dimensions.
struct SymbolRange {
  std::int64_t min = 0, opt = 0, max = 0;
};

struct PlannerOptions {
  int threads = 1;
  Isa isa = Isa::none;
  DeviceKind device = DeviceKind::cpu;  ///< of nodes whose constraint allows it, or says nothing of devices
  bool reference_only = false;  ///< take reference kernels only: the unoptimised plan that others are compared with
  bool batch_invariant = false;
  bool copy_views = false;  ///< realise every view as a copy: the baseline of the memory planner
  std::map<std::string, SymbolRange> symbols;
  Tactics* tactics = nullptr;                ///< times candidates; null takes the first that fits
  std::vector<const Kernel*> first_kernels;  ///< candidates before those of the registry, for tests of the planner
};

/// Why a node runs the kernel it runs.
struct Choice {
  ir::NodeId id = ir::kNone;
  std::string node, op, kernel;
  std::vector<std::string> accepted;                         ///< in order of preference
  std::vector<std::pair<std::string, std::string>> refused;  ///< kernel, reason
  std::vector<std::pair<std::string, double>> timed;         ///< kernel, microseconds
};

struct PlannedModel {
  PlanStorage plan;
  std::vector<Choice> choices;
};

/// Plans `graph` (verified, of one model), with its constants in `weights`. Throws Error, with the node's origin, when
/// no kernel takes a node, when a dimension has no range, or when a value's size has no bound.
PlannedModel make_plan(ir::Graph& graph, const PlannerOptions& options, WeightStore& weights);

}  // namespace monza::plan
