// Between DequantizeLinear and QuantizeLinear with the same scale and zero point, moving elements needs no floats:
//   Q(move(DQ(x))) = move(x),  Q(DQ(x)) = x.  The largest of several is the same before and after, too.
#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

/// A Resize takes each element from one of its input's only where it looks for the nearest, and never outside.
bool moves_only(const ir::Node& n) {
  return std::string_view(n.op->name) != "Resize" ||
         (attrs_of(n).s("mode") == "nearest" &&
          attrs_of(n).s("coordinate_transformation_mode") != "tf_crop_and_resize");
}

std::string guard_quantized_moves(const Match& m) {
  const ir::Node &q = *m.graph->producer(m.output().id), &dq = m.node("dq");
  const ir::Graph& g = *m.graph;
  if (!(ir::product(g.value(dq.inputs[1]).type.shape) == ir::Expr(1))) return "it is quantised per channel";
  if (g.value(dq.inputs[0]).type.dtype != m.output().type.dtype) return "the element type changes";
  if (!same_number(g, dq.inputs[1], q.inputs[1]) || !same_number(g, operand(dq, 2), operand(q, 2)))
    return "scale or zero point change";
  return "";
}

void fuse_quantized_moves(ir::Graph& graph, PassContext& context) {
  const Pattern dq = op("DequantizeLinear", {any("x"), any(), rest()}).as("dq").shared();
  const Pattern moved =
      op("Reshape|Flatten|Squeeze|Unsqueeze|Transpose|Slice|Gather|DepthToSpace|SpaceToDepth|Expand|Tile|MaxPool|"
         "Resize",
         {dq, rest()})
          .as("move")
          .where([](const ir::Graph&, const ir::Node& n) { return n.outputs.size() == 1 && moves_only(n); });
  apply(graph, context,
        {{"Q(DQ(x))", op("QuantizeLinear", {dq, any(), rest()}), guard_quantized_moves,
          [](const Match& m) { return m["x"]; }},
         {"Q(move(DQ(x)))", op("QuantizeLinear", {moved, any(), rest()}), guard_quantized_moves, [](const Match& m) {
            std::vector<ir::ValueId> inputs = m.node("move").inputs;
            inputs[0] = m["x"];
            return m.add(m.node("move").op->name, inputs, m.node("move").attrs);
          }}});
}
}  // namespace

const Pass quantized_moves_pass{"fuse_quantized_moves", "elements move as integers between equal quantisations",
                                fuse_quantized_moves};
}  // namespace monza
