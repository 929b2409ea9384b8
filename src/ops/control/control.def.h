// What importers and passes need of control flow: taking a body into the graph around it.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace monza::ops {

/// Moves the nodes of `body` to the end of `graph`, with `inputs` in the place of its inputs, and returns the values
/// that are its outputs. The body is left without meaning.
std::vector<ir::ValueId> inline_body(ir::Graph& graph, ir::Graph& body, const std::vector<ir::ValueId>& inputs);

/// Value of a condition that is known at build, or nullopt.
std::optional<bool> known_condition(const ir::Graph& graph, ir::ValueId condition);

}  // namespace monza::ops
