// From a graph after the device-independent passes to an engine: plans for this machine, weights, the carried graph.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/cpu.h"
#include "engine/build_report.h"
#include "engine/file/image.h"
#include "ir/graph.h"
#include "plan/tactics.h"
#include "plan/weights.h"

namespace monza {

/// What builds of one model share.
struct CompileShared {
  plan::WeightStore weights;               ///< all that was packed so far
  std::unique_ptr<plan::Tactics> tactics;  ///< of the last build that timed kernels
  std::string tactics_for;                 ///< what they depend on
  bool in_place = false;                   ///< the next engine's weights lie in the memory of `weights`
  std::int64_t timed = 0;                  ///< kernels that the last build measured
};

/// The instruction sets that the options ask for. Throws Error when this CPU lacks them.
Isa isa_for(const BuildOptions& options);

/// What an engine is, for planning its own graph again on this machine. Throws Error when it computes in a precision
/// that this CPU lacks.
engine_file::Info info_to_replan(const engine_file::Image& image);

/// Plans the graph for every profile of `info`, over one copy of the weights. Throws Error: what planning refuses, and
/// a profile that does not fit into max_memory, with the values that take the memory. `report` tells what passes made
/// the graph (as far as that is known), gets the choices of the first profile, and is kept in the engine unless that is
/// stripped.
engine_file::Image compile(ir::Graph& graph, const BuildOptions& options, engine_file::Info info, BuildReport& report,
                           CompileShared* shared = nullptr);

}  // namespace monza
