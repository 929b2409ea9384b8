// What the options of a build ask of nodes, brought to the nodes.
#pragma once

#include <string>
#include <vector>

#include "engine/build_report.h"
#include "ir/graph.h"
#include "monza/engine.h"

namespace monza {

/// Constrains the nodes of an imported graph and of its bodies: each as BuildOptions::precision says, those that a
/// NodeConstraint names as the last such one says. `tensors` are those that nodes make. Throws Error, with the nearest
/// names, when a NodeConstraint names nothing.
void constrain_nodes(ir::Graph& graph, const std::vector<NamedTensor>& tensors, const BuildOptions& options);
/// All that constrain_nodes is told, as text: equal texts constrain equally.
std::string constraints_key(const BuildOptions& options);

}  // namespace monza
