// Q/DQ around convolutions and matrix products: Q(product(DQ(x), DQ(w), bias)) becomes one integer product.
#include <cmath>
#include <limits>
#include <span>

#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

bool is_8bit(DType t) { return t == DType::i8 || t == DType::u8; }

/// "" if DequantizeLinear node `dq` gives f32 from 8 bits with one scale, or one per index of `axis` (-1: one only).
std::string plain_dequantize(const ir::Graph& g, const ir::Node& dq, std::int64_t axis, const char* what) {
  const ir::Type &x = g.value(dq.inputs[0]).type, &scale = g.value(dq.inputs[1]).type;
  if (!is_8bit(x.dtype)) return fmt::format("{} are {}", what, ir::to_string(x));
  if (scale.dtype != DType::f32) return fmt::format("the scale of {} is not f32", what);
  if (attrs_of(dq).i("block_size") != 0) return fmt::format("{} are quantised in blocks", what);
  if (ir::product(scale.shape) == ir::Expr(1)) return "";
  std::int64_t have = attrs_of(dq).i("axis");
  if (have < 0) have += static_cast<std::int64_t>(x.rank());
  if (axis < 0 || have != axis) return fmt::format("{} are quantised along axis {}", what, have);
  return "";
}

/// What a product with dequantised operands must be like for its integer form: "" or why not.
std::string integer_form(const Match& m) {
  const ir::Graph& g = *m.graph;
  const ir::Node& product = m.node("product");
  const ProductOperands at = operands_of(product);
  const ir::Node &x = m.node("x"), &w = m.node("w");
  if (has_operand(product, at.residual)) return "the product adds a residual already";
  if (attrs_of(product).s("activation") == "prelu") return "a slope per channel has no integer form";
  if (!at.conv && attrs_of(product).f("alpha") != 1) return "the product is scaled by alpha";
  if (!at.conv && attrs_of(product).i("trans_a") != 0) return "the first operand is transposed";
  if (auto reason = plain_dequantize(g, x, -1, "activations"); !reason.empty()) return reason;
  const std::size_t w_rank = g.value(w.inputs[0]).type.rank();
  if (!at.conv && w_rank != 2) return "the weight is not a matrix";
  if (at.conv && w_rank > 5) return "the convolution has more than three spatial axes";
  const std::int64_t axis = at.conv || attrs_of(product).i("trans_b") != 0 ? 0 : 1;
  if (auto reason = plain_dequantize(g, w, axis, "weights"); !reason.empty()) return reason;
  if (has_operand(product, at.bias)) {
    const ir::ValueId b = product.inputs[at.bias];
    const ir::Node* dq = g.producer(b);
    const bool quantized = dq != nullptr && std::string_view(dq->op->name) == "DequantizeLinear";
    const ir::ValueId stored = quantized ? dq->inputs[0] : b;
    if (!g.value(stored).constant) return "the bias is not constant";
    if (quantized && (g.value(stored).type.dtype != DType::i32 || !g.value(dq->inputs[1]).constant))
      return "the bias is not i32 with constant scales";
    if (quantized && attrs_of(*dq).i("block_size") != 0) return "the bias is quantised in blocks";
    if (quantized && has_operand(*dq, 2)) {
      const auto& zero = g.value(dq->inputs[2]).constant;
      if (!zero) return "the bias has a zero point that is not constant";
      for (std::int64_t z : ir::to_ints(*zero))
        if (z != 0) return "the bias has a zero point";
    }
    if (!quantized && g.value(stored).type.dtype != DType::f32) return "the bias is not f32";
    if (!fits_bias(product, *g.value(stored).constant, g.value(m["product"]).type).empty())
      return "the bias is not one number per channel";
  }
  return "";
}

/// The bias as QConv and QMatMul take it: i32 where its scale is x_scale * w_scale, else f32.
ir::ValueId bias_of(const Match& m) {
  const ir::Graph& g = *m.graph;
  const ir::Node& product = m.node("product");
  const std::size_t at = operands_of(product).bias;
  if (!has_operand(product, at)) return ir::kNone;
  const ir::Node* dq = g.producer(product.inputs[at]);
  if (dq == nullptr) return product.inputs[at];
  const auto bias = ir::to_ints(*g.value(dq->inputs[0]).constant);
  const auto scale = ir::to_doubles(*g.value(dq->inputs[1]).constant);
  const auto x_scale = scalar_value(g, m.node("x").inputs[1]);
  const auto& w_scale_constant = g.value(m.node("w").inputs[1]).constant;
  bool exact = x_scale.has_value() && w_scale_constant != nullptr;
  if (exact) {
    const auto w_scale = ir::to_doubles(*w_scale_constant);
    for (std::size_t i = 0; i < bias.size() && exact; ++i) {
      const double want = *x_scale * w_scale[w_scale.size() == 1 ? 0 : i], have = scale[scale.size() == 1 ? 0 : i];
      exact = std::abs(have - want) <= 1e-6 * std::abs(want);
    }
  }
  if (exact) return dq->inputs[0];
  std::vector<float> real;
  for (std::size_t i = 0; i < bias.size(); ++i)
    real.push_back(static_cast<float>(static_cast<double>(bias[i]) * scale[scale.size() == 1 ? 0 : i]));
  const auto count = static_cast<std::int64_t>(real.size());
  return m.add_constant(ir::constant_f32(std::move(real), Shape{count}));
}

ir::ValueId integer_product(const Match& m, ir::ValueId y_scale, ir::ValueId y_zero) {
  const ir::Node &product = m.node("product"), &x = m.node("x"), &w = m.node("w");
  ir::Attrs attrs = product.attrs;
  for (const char* plain : {"alpha", "trans_a"}) attrs.erase(plain);  // 1 and 0, as integer_form has seen
  return m.add(
      operands_of(product).conv ? "QConv" : "QMatMul",
      {x.inputs[0], x.inputs[1], operand(x, 2), w.inputs[0], w.inputs[1], operand(w, 2), y_scale, y_zero, bias_of(m)},
      std::move(attrs));
}

/// The zero point of a QuantizeLinear to 8 bits, made where it is absent; "" in `reason` or why there is none.
std::string output_form(const ir::Graph& g, const ir::Node& q, DType type) {
  if (!is_8bit(type)) return "the result is quantised to another type than 8 bits";
  if (g.value(q.inputs[1]).type.dtype != DType::f32) return "the result's scale is not f32";
  if (!(ir::product(g.value(q.inputs[1]).type.shape) == ir::Expr(1))) return "the result is quantised per channel";
  if (attrs_of(q).i("block_size") != 0) return "the result is quantised in blocks";
  return "";
}

ir::ValueId zero_of(const Match& m, const ir::Node& q) {
  if (has_operand(q, 2)) return q.inputs[2];
  const std::byte zero{0};
  return m.add_constant(ir::make_constant(m.output().type.dtype, Shape{}, std::span(&zero, 1)));
}

Pattern dequantized(const char* name) { return op("DequantizeLinear", {any(), any(), rest()}).as(name).shared(); }

void run_products(ir::Graph& graph, PassContext& context) {
  const Pattern product = op("Conv|MatMul", {dequantized("x"), dequantized("w"), rest()}).as("product");
  apply(graph, context,
        {{"Q(product(DQ(x), DQ(w), bias))", op("QuantizeLinear", {product, any(), rest()}),
          [](const Match& m) -> std::string {
            if (auto reason = output_form(*m.graph, m.output_node(), m.output().type.dtype); !reason.empty())
              return reason;
            return integer_form(m);
          },
          [](const Match& m) { return integer_product(m, m.output_node().inputs[1], zero_of(m, m.output_node())); }}});
}

void run_rest(ir::Graph& graph, PassContext& context) {
  const Pattern product = op("Conv|MatMul", {dequantized("x"), dequantized("w"), rest()}).as("product");
  apply(graph, context, {{"product(DQ(x), DQ(w), bias)", product, integer_form, [](const Match& m) {
                            return integer_product(m, ir::kNone, ir::kNone);
                          }}});
}

/// A quantised product that still computes the product alone, and a plain residual beside it.
std::string residual_form(const Match& m) {
  const ir::Graph& g = *m.graph;
  const ir::Node &product = m.node("product"), &middle = m.node("middle"), &r = m.node("residual");
  const ir::Node& root = m.output_node();
  if (!requantizes(product)) return "the product's result is not quantised";
  if (has_operand(product, QInput::residual) || has_operand(product, QInput::mid_scale))
    return "the product adds a residual already";
  if (attrs_of(product).s("activation") != "none") return "the product has an activation of its own";
  if (!same_number(g, middle.inputs[1], product.inputs[QInput::y_scale]) ||
      !(ir::product(g.value(middle.inputs[1]).type.shape) == ir::Expr(1)))
    return "the product is dequantised with another scale";
  if (!same_number(g, operand(middle, 2), operand(product, QInput::y_zero)))
    return "the product is dequantised with another zero point";
  if (auto reason = plain_dequantize(g, r, -1, "residuals"); !reason.empty()) return reason;
  if (!(g.value(r.outputs[0]).type == g.value(middle.outputs[0]).type)) return "the operands of the sum broadcast";
  if (m.has("clip")) {
    const ir::Node& clip = m.node("clip");
    for (std::size_t i : {1, 2})
      if (has_operand(clip, i) && !scalar_value(g, clip.inputs[i])) return "the activation's bounds are not constant";
  }
  return output_form(g, root, m.output().type.dtype);
}

ir::ValueId with_residual(const Match& m) {
  const ir::Node &product = m.node("product"), &r = m.node("residual");
  const ir::Node& root = m.output_node();
  std::vector<ir::ValueId> inputs = product.inputs;
  inputs.resize(QInput::count, ir::kNone);
  inputs[QInput::mid_scale] = inputs[QInput::y_scale];
  inputs[QInput::mid_zero] = inputs[QInput::y_zero];
  inputs[QInput::y_scale] = root.inputs[1];
  inputs[QInput::y_zero] = zero_of(m, root);
  inputs[QInput::residual] = r.inputs[0];
  inputs[QInput::r_scale] = r.inputs[1];
  inputs[QInput::r_zero] = operand(r, 2);
  ir::Attrs attrs = product.attrs;
  if (m.has("relu")) attrs.set("activation", std::string("relu"));
  if (m.has("clip")) {
    const ir::Node& clip = m.node("clip");
    const auto bound = [&](std::size_t i, double none) {
      return has_operand(clip, i) ? *scalar_value(*m.graph, clip.inputs[i]) : none;
    };
    attrs.set("activation", std::string("clip"));
    attrs.set("act_alpha", bound(1, std::numeric_limits<float>::lowest()));
    attrs.set("act_beta", bound(2, std::numeric_limits<float>::max()));
  }
  return m.add(product.op->name, inputs, attrs);
}

void run_residual(ir::Graph& graph, PassContext& context) {
  const Pattern product = op("QConv|QMatMul", {any(), rest()}).as("product");
  const Pattern middle = op("DequantizeLinear", {product, any(), rest()}).as("middle");
  const Pattern total = op("Add", {middle, dequantized("residual")});
  const auto quantized = [](const Pattern& p) { return op("QuantizeLinear", {p, any(), rest()}); };
  apply(
      graph, context,
      {{"Q(DQ(product) + DQ(residual))", quantized(total), residual_form, with_residual},
       {"Q(relu(DQ(product) + DQ(residual)))", quantized(op("Relu", {total}).as("relu")), residual_form, with_residual},
       {"Q(clip(DQ(product) + DQ(residual)))", quantized(op("Clip", {total, rest()}).as("clip")), residual_form,
        with_residual}});
}
}  // namespace

const Pass quantized_products_pass{"fuse_quantized_products", "products between DQ and Q become integer products",
                                   run_products};
const Pass quantized_residual_pass{
    "fuse_quantized_residual", "a sum of two quantised tensors moves into the integer product before it", run_residual};
const Pass quantized_rest_pass{
    "fuse_quantized_rest", "products that read DQ but are not quantised become integer products with a float result",
    run_rest};
}  // namespace monza
