// Taking a body into the graph around it.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace monza::ops {

/// Moves the nodes of `body` to the end of `graph`, with `inputs` in the place of its inputs, and returns the values
/// that are its outputs. The body is left without meaning.
std::vector<ir::ValueId> inline_body(ir::Graph& graph, ir::Graph& body, const std::vector<ir::ValueId>& inputs);

}  // namespace monza::ops
