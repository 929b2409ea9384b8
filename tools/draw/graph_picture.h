// Drawings of graphs and of memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/data/plan.h"

namespace monza::tool {

/// A box and its lines.
struct DrawnNode {
  std::string title, subtitle;  ///< in the box, shortened to fit
  std::string name;             ///< below them, if there is one
  std::string details;          ///< shown by the mouse
  std::string kind;             ///< chooses the colour
};
struct DrawnEdge {
  std::size_t from = 0, to = 0;
  std::string details;
};

/// Draws a directed acyclic graph in layers, sources on top (Sugiyama's method: longest path, barycentres, then
/// coordinates by the neighbours' mean). Edges that would close a cycle are left out of the layering. SVG text.
std::string draw_graph(const std::vector<DrawnNode>& nodes, const std::vector<DrawnEdge>& edges);

/// A model's graph: inputs, nodes and outputs; constants are left out. Bodies are named, not drawn.
std::string draw_graph(const ir::Graph& graph);

/// A range of a device's arena, and the first and last step that use it.
struct ArenaBlock {
  int device = 0;
  std::int64_t offset = 0, bytes = 0;
  std::uint32_t first = 0, last = 0;
  std::string what;
};
/// Every distinct place in the arenas that steps write, with its life, by device and offset.
std::vector<ArenaBlock> drawn_blocks(const plan::Plan& plan);

/// The arena of a device: address against step.
std::string draw_memory(const plan::Plan& plan, int device);

}  // namespace monza::tool
