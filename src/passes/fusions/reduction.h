// What fusions need to know of a reduction.
#pragma once

#include <optional>

#include "ir/graph.h"

namespace monza {

/// The first axis of a reduction over a row of last axes that keeps them as extents of 1; nullopt for any other.
/// Axes come from the attribute or from a constant second input.
std::optional<std::int64_t> reduced_tail(const ir::Graph& graph, const ir::Node& reduce);

}  // namespace monza
