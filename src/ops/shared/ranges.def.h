// Shapes for ranges that begin at 0.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "ir/graph.h"

namespace monza::ops {

/// The graph inferred for these ranges of its dimensions, or null where none of them begins at 0: what broadcasts may
/// then be nothing (broadcast_extent), which other graphs need not know.
std::unique_ptr<ir::Graph> inferred_for(const ir::Graph& graph, const std::map<std::string, ir::Interval>& ranges);

/// Infers all nodes, those of bodies first.
void infer_again(ir::Graph& graph);

}  // namespace monza::ops
