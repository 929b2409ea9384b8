#include "engine/integer_share.h"

#include <string_view>
#include <vector>

#include "ir/op.h"

namespace monza {
namespace {

/// With 1 for extents that vary: an axis that varies, varies alike in all products that have it.
Shape shape_of(const ir::Graph& graph, ir::ValueId v) {
  Shape shape;
  if (v == ir::kNone) return shape;
  for (const ir::Expr& e : graph.value(v).type.shape) shape.dim[shape.rank++] = e.try_constant().value_or(1);
  return shape;
}

bool is_integer_product(std::string_view op) {
  return op == "QConv" || op == "QMatMul" || op == "ConvInteger" || op == "MatMulInteger";
}
bool is_product(std::string_view op) {
  return op.find("Conv") != op.npos || op.find("MatMul") != op.npos || op == "Attention" || op == "Einsum";
}

}  // namespace

MultiplyAdds multiply_adds(const ir::Graph& graph) {
  MultiplyAdds sum;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    for (const auto& body : node.bodies) {
      const MultiplyAdds inner = multiply_adds(*body);
      sum.all += inner.all;
      sum.integer += inner.integer;
    }
    if (!is_product(node.op->name) || node.op->flops == nullptr) continue;
    std::vector<Shape> in, out;
    for (const ir::ValueId v : node.inputs) in.push_back(shape_of(graph, v));
    for (const ir::ValueId v : node.outputs) out.push_back(shape_of(graph, v));
    const double count = node.op->flops({graph, node}, in, out) / 2;
    sum.all += count;
    if (is_integer_product(node.op->name)) sum.integer += count;
  }
  return sum;
}

}  // namespace monza
