// What importers and passes need of control flow: which branch is taken, and branches that cannot be.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace monza::ops {

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
