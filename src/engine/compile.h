// From a graph after the device-independent passes to an engine: plans for this machine, weights, the carried graph.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/build_report.h"
#include "engine/file/image.h"
#include "ir/graph.h"
#include "plan/data/profile.h"
#include "plan/tactics.h"
#include "plan/weights.h"

namespace monza {

/// What builds of one model share.
struct CompileShared {
  plan::WeightStore weights;               ///< all that was packed so far
  std::unique_ptr<plan::Tactics> tactics;  ///< of the last build that timed kernels
  bool in_place = false;                   ///< the next engine's weights lie in the memory of `weights`
  std::int64_t timed = 0;                  ///< kernels that the last build measured
};

/// `options` with what an engine's own graph was made for (precision, device, optimize, batch_invariant, metadata), for
/// planning it again on this machine. Throws Error when that is a precision or a device that is not here.
BuildOptions options_to_replan(const engine_file::Image& image, BuildOptions options);

/// Plans the graph for every profile, over one copy of the weights. Throws Error: what planning refuses, and a profile
/// that does not fit into max_memory, with the values that take the memory. `report` tells what passes made the graph
/// (as far as that is known), gets the choices of the first profile, and is kept in the engine unless that is stripped.
engine_file::Image compile(ir::Graph& graph, const BuildOptions& options, const std::vector<plan::Profile>& profiles,
                           BuildReport& report, CompileShared* shared = nullptr);

}  // namespace monza
