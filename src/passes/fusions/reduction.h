// What fusions need to know of a reduction.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace monza {

/// The axes that a reduction of a tensor of x's rank keeps as extents of 1, from 0 on, ascending; empty for any other
/// reduction. They come from the attribute or from a constant second input. (What is reduced may be of a higher rank
/// than x where a constant in between has leading extents of 1.)
std::vector<std::int64_t> kept_axes(const ir::Graph& graph, const ir::Node& reduce, ir::ValueId x);

/// The first of them if they are a row of last axes.
std::optional<std::int64_t> reduced_tail(const ir::Graph& graph, const ir::Node& reduce, ir::ValueId x);

}  // namespace monza
