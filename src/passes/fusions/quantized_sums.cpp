// Q/DQ around what is no product: sums of two quantised tensors and global averages become integer operators.
//   Q(act(DQ(a) + DQ(b)))        ->  QAdd
//   Q(GlobalAveragePool(DQ(x)))  ->  QGlobalAveragePool
// Results differ from the float path only in rounding.
#include <limits>

#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

/// "" if a Q or DQ node maps between f32 and 8 bits with one scale.
std::string plain(const ir::Graph& g, const ir::Node& n, DType quantized, const char* what) {
  if (quantized != DType::u8 && quantized != DType::i8) return fmt::format("{} is not 8-bit", what);
  const ir::Type& scale = g.value(n.inputs[1]).type;
  if (scale.dtype != DType::f32) return fmt::format("the scale of {} is not f32", what);
  if (attrs_of(n).i("block_size") != 0 || !(ir::product(scale.shape) == ir::Expr(1)))
    return fmt::format("{} has more than one scale", what);
  return "";
}
std::string plain_input(const Match& m, const char* name) {
  const ir::Node& n = m.node(name);
  return plain(*m.graph, n, m.graph->value(n.inputs[0]).type.dtype, "an operand");
}
std::string plain_result(const Match& m) {
  return plain(*m.graph, m.output_node(), m.output().type.dtype, "the result");
}

std::string guard_sum(const Match& m) {
  for (const char* name : {"a", "b"})
    if (auto reason = plain_input(m, name); !reason.empty()) return reason;
  if (!(m.type("a") == m.type("b"))) return "the operands broadcast";
  if (m.has("clip"))
    for (std::size_t i : {1, 2})
      if (has_operand(m.node("clip"), i) && !scalar_value(*m.graph, m.node("clip").inputs[i]))
        return "the activation's bounds are not constant";
  return plain_result(m);
}

ir::ValueId replace_sum(const Match& m) {
  const ir::Node &a = m.node("a"), &b = m.node("b"), &y = m.output_node();
  ir::Attrs attrs;
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
  std::vector<ir::ValueId> inputs{a.inputs[0], a.inputs[1],   operand(a, 2), b.inputs[0],
                                  b.inputs[1], operand(b, 2), y.inputs[1]};
  if (has_operand(y, 2)) inputs.push_back(y.inputs[2]);
  return m.add("QAdd", inputs, attrs);
}

std::string guard_average(const Match& m) {
  if (attrs_of(m.node("pool")).i("global") == 0) return "the average is over windows";
  if (auto reason = plain_input(m, "x"); !reason.empty()) return reason;
  return plain_result(m);
}

ir::ValueId replace_average(const Match& m) {
  const ir::Node &x = m.node("x"), &y = m.output_node();
  std::vector<ir::ValueId> inputs{x.inputs[0], x.inputs[1], operand(x, 2), y.inputs[1]};
  if (has_operand(y, 2)) inputs.push_back(y.inputs[2]);
  return m.add("QGlobalAveragePool", inputs);
}

void fuse_quantized_sums(ir::Graph& graph, PassContext& context) {
  const auto dq = [](const char* name) { return op("DequantizeLinear", {any(), any(), rest()}).as(name).shared(); };
  const auto quantized = [](const Pattern& p) { return op("QuantizeLinear", {p, any(), rest()}); };
  const Pattern sum = op("Add", {dq("a"), dq("b")});
  apply(graph, context,
        {{"Q(DQ(a) + DQ(b))", quantized(sum), guard_sum, replace_sum},
         {"Q(relu(DQ(a) + DQ(b)))", quantized(op("Relu", {sum}).as("relu")), guard_sum, replace_sum},
         {"Q(clip(DQ(a) + DQ(b)))", quantized(op("Clip", {sum, rest()}).as("clip")), guard_sum, replace_sum},
         {"Q(average(DQ(x)))", quantized(op("AveragePool", {dq("x")}).as("pool")), guard_average, replace_average}});
}
}  // namespace

const Pass quantized_sums_pass{
    "fuse_quantized_sums", "sums and global averages between DQ and Q become integer operators", fuse_quantized_sums};
}  // namespace monza
