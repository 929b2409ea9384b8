// From a graph after the device-independent passes to an engine: plans for this machine, weights, the carried graph.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "engine/build_report.h"
#include "engine/file/image.h"
#include "ir/graph.h"

namespace monza {

struct CompileOptions {
  int threads = 1;
  Isa isa = Isa::none;
  bool tune = false;  ///< time candidate kernels; false takes the first that fits
  std::string timing_cache;
  std::optional<std::uint64_t> tactic_seed;  ///< draws the times instead
  double max_build_seconds = 0;
  bool strip = false;
  std::int64_t max_memory = 0;  ///< bytes of weights and arena at each profile's largest shape; 0: no cap
  engine_file::Info info;       ///< what the engine is; its profiles (at least one) are what is planned
};

/// What planning the engine's own graph again on this machine takes, without timing. Throws Error when it computes in a
/// precision that this CPU lacks.
CompileOptions replan_options(const engine_file::Image& image);

/// Plans the graph for every profile, over one copy of the weights. Throws Error: what planning refuses, and a profile
/// that does not fit into max_memory, with the values that take the memory. `report` tells what passes made the graph
/// (as far as that is known), gets the choices of the first profile, and is kept in the engine unless that is stripped.
engine_file::Image compile(ir::Graph& graph, const CompileOptions& options, BuildReport& report);

}  // namespace monza
