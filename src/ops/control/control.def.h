// What importers and passes need of control flow: taking a body into the graph around it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace monza::ops {

/// Moves the nodes of `body` to the end of `graph`, with `inputs` in the place of its inputs, and returns the values
/// that are its outputs. The body is left without meaning.
std::vector<ir::ValueId> inline_body(ir::Graph& graph, ir::Graph& body, const std::vector<ir::ValueId>& inputs);

/// Value of a condition that is known at build, or nullopt. Elements that a profile fixes count as known; the model
/// notes that it is specialised to them. With `in_profiles`, what holds for all extents of the profiles is known too:
/// for import alone, since later inference does not know the profiles.
std::optional<bool> known_condition(ir::Graph& graph, ir::ValueId condition, bool in_profiles = false);

/// A body with the captures and output types of `other` that fails the run: for a branch whose nodes do not fit the
/// shapes an engine is built for, and which then must not be taken.
std::unique_ptr<ir::Graph> refusing_body(const std::shared_ptr<ir::Model>& model, const ir::Graph& other,
                                         const std::vector<ir::Value>& captures, const ir::OriginSet& origins);

/// What ir::substitute asks of each atom.
using Replacement = std::function<std::optional<ir::Expr>(const ir::Atom&)>;
/// Replaces atoms in what a node of such a body says of its outputs' shapes; other nodes stay as they are.
void substitute_refused(ir::Graph& graph, ir::NodeId node, const Replacement& replacement);

}  // namespace monza::ops
