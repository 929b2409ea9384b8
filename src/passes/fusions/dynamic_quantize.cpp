// Dynamic quantisation: cast(integer product) * (x_scale * w_scale) becomes a quantised product with an f32 result.
#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

bool to_f32(const ir::Graph&, const ir::Node& n) { return attrs_of(n).s("to") == "f32"; }

bool single(const ir::Graph& graph, ir::ValueId v) { return ir::product(graph.value(v).type.shape) == ir::Expr(1); }

std::string guard_dynamic_quantize(const Match& m) {
  const ir::Node& product = m.node("product");
  const ir::Graph& g = *m.graph;
  const ir::Type& out = m.output().type;
  if (m.type("x_scale").dtype != DType::f32 || m.type("w_scale").dtype != DType::f32) return "a scale is not f32";
  if (!single(g, m["x_scale"])) return "the activations have more than one scale";
  if (has_operand(product, 2) && !single(g, product.inputs[2])) return "the activations have more than one zero point";
  if (out.rank() == 0) return "the result is a scalar";
  const bool conv = std::string_view(product.op->name) == "ConvInteger";
  if (!conv && g.value(product.inputs[1]).type.rank() != 2) return "the weight is not a matrix";
  return fits_channels(*m.constant("w_scale"), out, conv ? 1 : out.rank() - 1);
}

ir::ValueId replace_dynamic_quantize(const Match& m) {
  const ir::Node& product = m.node("product");
  const bool conv = std::string_view(product.op->name) == "ConvInteger";
  return m.add(
      conv ? "QConv" : "QMatMul",
      {product.inputs[0], m["x_scale"], operand(product, 2), product.inputs[1], m["w_scale"], operand(product, 3)},
      product.attrs);
}

void fuse_dynamic_quantize(ir::Graph& graph, PassContext& context) {
  const Pattern product = op("MatMulInteger|ConvInteger", {any(), any(), rest()}).as("product");
  const Pattern cast = op("Cast", {product}).where(to_f32);
  const Pattern scale = op("Mul", {any("x_scale"), constant("w_scale")}).shared();
  apply(
      graph, context,
      {{"float(a b) * (a_scale * b_scale)", op("Mul", {cast, scale}), guard_dynamic_quantize, replace_dynamic_quantize},
       {"(float(a b) * a_scale) * b_scale", op("Mul", {op("Mul", {cast, any("x_scale")}), constant("w_scale")}),
        guard_dynamic_quantize, replace_dynamic_quantize},
       {"(float(a b) * b_scale) * a_scale", op("Mul", {op("Mul", {cast, constant("w_scale")}), any("x_scale")}),
        guard_dynamic_quantize, replace_dynamic_quantize}});
}
}  // namespace

const Pass dynamic_quantize_pass{"fuse_dynamic_quantize",
                                 "scaled integer products become quantised products with a float result",
                                 fuse_dynamic_quantize};
}  // namespace monza
