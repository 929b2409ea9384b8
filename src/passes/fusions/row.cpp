#include "passes/fusions/row.h"

#include "passes/rewrite.h"

namespace monza {
namespace {

/// The first axis of a row.
std::size_t row_axis(const ir::Node& norm, std::size_t rank) {
  const std::int64_t axis = attrs_of(norm).i("axis");
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

}  // namespace

std::string fits_row(const ir::Graph& graph, const ir::Node& norm, ir::ValueId operand) {
  const ir::Type &x = graph.value(norm.inputs[0]).type, &t = graph.value(operand).type;
  if (t.rank() > x.rank()) return "the operand has a higher rank than the input";
  const std::size_t first = row_axis(norm, x.rank()), lead = x.rank() - t.rank();
  for (std::size_t a = 0; a < x.rank(); ++a) {
    const ir::Expr have = a < lead ? ir::Expr(1) : t.shape[a - lead];
    if (!(have == (a < first ? ir::Expr(1) : x.shape[a])))
      return "the operand " + ir::to_string(t) + " is not one element per element of a row of " + ir::to_string(x);
  }
  return "";
}

ir::ValueId as_row(const Match& m, const ir::Node& norm, ir::ValueId operand) {
  const ir::SymShape& x = m.graph->value(norm.inputs[0]).type.shape;
  const auto& constant = m.graph->value(operand).constant;
  Shape row;
  for (std::size_t a = row_axis(norm, x.size()); a < x.size(); ++a) row.dim[row.rank++] = x[a].constant();
  return constant->shape == row ? operand : m.add_constant(reshape_constant(constant, row));
}

}  // namespace monza
