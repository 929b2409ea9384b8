// The graph as text: printed for people, parsed for tests. print(parse(print(g))) == print(g).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace monza::ir {

struct PrintOptions {
  bool origins = false;           ///< append the origin names of every node as a comment
  std::size_t max_elements = 16;  ///< constants with more elements print as dtype[shape] #hash (and do not parse)
};

/// graph "main" (%x: f32[batch,3,8,8], %w: f32[...]) {
///   %w = constant f32[2] [1, 2]
///   %3: f32[batch,4,8,8] = Conv(%x, %w, _) {pads=[1,1,1,1], group=1}
///   return (y: %3)
/// }
/// Values print as %name when the name is a plain identifier, else %id. Absent inputs print as _.
/// Bodies follow their node, indented, as `body graph ...`.
std::string print(const Graph& graph, const PrintOptions& options = {});

/// Parses what print prints (result types may be left out: they are inferred). Every node gets its own origin
/// named after its first output. Error with line and column. Safe on hostile text.
std::unique_ptr<Graph> parse(std::string_view text);

}  // namespace monza::ir
