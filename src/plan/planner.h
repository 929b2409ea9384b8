// From a graph to a Plan: kernels, layouts, aliasing, memory, the extent program.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "kernel/kernel.h"
#include "monza/engine.h"
#include "plan/data/plan.h"
#include "plan/data/profile.h"

namespace monza::plan {

class Tactics;
class WeightStore;

/// What one plan is made for, beside the options of the build.
struct PlanScope {
  Profile profile;                           ///< the ranges of the graph's dimensions
  Tactics* tactics = nullptr;                ///< times candidates; null takes the first that fits
  bool copy_views = false;                   ///< realise every view as a copy: the baseline of the memory planner
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

/// Plans `graph` (verified, of one model), with its constants in `weights`. Of the options count threads, isa, device,
/// optimize and batch_invariant. Throws Error, with the node's origin, when no kernel takes a node, when a dimension
/// has no range, or when a value's size has no bound.
PlannedModel make_plan(ir::Graph& graph, const BuildOptions& options, const PlanScope& scope, WeightStore& weights);

}  // namespace monza::plan
