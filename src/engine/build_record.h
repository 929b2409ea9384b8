// What a build did and chose, as a section of the engine file: what explain and inspect answer an engine's user from.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/build_report.h"
#include "engine/file/image.h"
#include "ir/graph.h"

namespace monza {

/// The passes' rewrites and near misses, the names of the model's tensors, the choices of kernels and what calibration
/// saw of `report`, as bytes. `graph` is the one that was planned and that the engine carries. Without anything that
/// differs between two builds of the same model with the same timings: no durations.
std::vector<std::byte> write_record(const ir::Graph& graph, const BuildReport& report);

/// The report of an engine's build from its record and the graph it carries: all but the imported graph and the
/// passes' durations. Throws Error when the graph is over a limit, when the engine was stripped, or when the record or
/// the graph is damaged.
BuildReport read_record(const engine_file::Image& image, const Limits& limits = {});

}  // namespace monza
