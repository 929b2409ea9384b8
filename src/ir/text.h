// The graph as text: printed for people, parsed for tests, and complete for engine files, which are planned anew from
// it. print(parse(print(g))) == print(g).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace monza::ir {

struct PrintOptions {
  bool origins = false;           ///< append the origin names of every node as a comment
  std::size_t max_elements = 16;  ///< constants with more elements print as dtype[shape] #hash (and do not parse)
  /// Print all that parse() needs to make the same graph: numbers of values, origins, known contents, and what the
  /// graphs of the model share, in a `model` block ahead. Constants above max_elements then print as what `stored`
  /// says of them, which ParseOptions::stored gets back; constants that nothing reads are left out.
  bool complete = false;
  std::function<Attrs(const std::shared_ptr<const Constant>&)> stored;
};
struct ParseOptions {
  /// The constant that a text without its elements stands for. Throws Error. Without it such a text is refused.
  std::function<std::shared_ptr<const Constant>(DType, const Shape&, const Attrs&)> stored;
  Limits limits;
};

/// graph "main" (%x: f32[batch,3,8,8], %w: f32[...]) {
///   %w = constant f32[2] [1, 2]
///   %3: f32[batch,4,8,8] = Conv(%x, %w, _) {pads=[1,1,1,1], group=1}
///   return (y: %3)
/// }
/// Values print as %name when the name is a plain identifier, else %id. Absent inputs print as _.
/// Bodies follow their node, indented, as `body graph ...`. In the complete form `!id` behind a name is the value's
/// number, `@from=[...]` its origins in the list of the model block, `@content=[...]` its known elements, and
/// `constant TYPE stored {...}` one whose elements lie elsewhere.
std::string print(const Graph& graph, const PrintOptions& options = {});

/// Parses what print prints (result types may be left out: they are inferred). Every node gets its own origin
/// named after its first output. Error with line and column. Safe on hostile text.
std::unique_ptr<Graph> parse(std::string_view text, const ParseOptions& options = {});

}  // namespace monza::ir
