// Q/DQ around what shall compute on integers. The fusions that follow make integer operators of it:
//   product(DQ(x), DQ(w), bias)            fuse_quantized_rest: an integer product with a float result, or
//   Q(product(DQ(x), DQ(w), bias))         fuse_quantized_products: with an integer result
//   Q(move(DQ(x))), Q(concat(DQ(x), ...))  fuse_quantized_moves, fuse_quantized_joins: nothing but the move
//   Q(act(DQ(a) + DQ(b)))                  fuse_quantized_residual, fuse_quantized_sums
#include "ir/op.h"
#include "passes/fusions/product.h"
#include "passes/rewrite.h"
#include "quant/integer_names.h"
#include "quant/passes.h"
#include "quant/placement.h"

namespace monza::quant {
namespace {

class Placer {
 public:
  Placer(ir::Graph& graph, PassContext& context) : graph_(graph), context_(context) {}

  void place(const Placement& placement) {
    for (const KeptProduct& kept : placement.kept)
      context_.near_miss("integer product", graph_, std::as_const(graph_).node(kept.node), kept.why);
    for (const PlacedValue& value : placement.values)
      if (!quantise(value)) return;
    for (const PlacedWeight& weight : placement.weights)
      if (!quantise_weight(weight)) return;
  }

 private:
  ir::ValueId scalar(std::shared_ptr<const ir::Constant> constant, const ir::OriginSet& origins) {
    return graph_.add_constant({}, std::move(constant), origins);
  }

  bool quantise(const PlacedValue& placed) {
    const ir::NodeId first = placed.readers.front().node;
    if (!context_.allow("quantised", graph_, std::as_const(graph_).node(first))) return false;
    const ir::OriginSet origins = graph_.value(placed.value).origins;
    const auto zero = static_cast<std::byte>(placed.affine.zero_point);
    const ir::ValueId scale = scalar(ir::constant_f32_scalar(placed.affine.scale), origins),
                      zero_point = scalar(ir::make_constant(DType::u8, Shape{}, std::span(&zero, 1)), origins);
    const Provenance from{origins, std::as_const(graph_).node(first).constraint};
    const ir::ValueId q =
        insert_node(graph_, first, ir::get_op("QuantizeLinear"), {placed.value, scale, zero_point}, {}, 1, from)
            .outputs[0];
    graph_.value(q).name = integers_name(graph_.value(placed.value).name);
    const ir::ValueId dq =
        insert_node(graph_, first, ir::get_op("DequantizeLinear"), {q, scale, zero_point}, {}, 1, from).outputs[0];
    for (const Use& use : placed.readers) graph_.node(use.node).inputs[use.input] = dq;
    return true;
  }

  bool quantise_weight(const PlacedWeight& placed) {
    const ir::Node& product = std::as_const(graph_).node(placed.product);
    if (placed.weight.integers == nullptr) {
      context_.near_miss("integer product", graph_, product, "its weight has elements that are not finite");
      return true;
    }
    if (!context_.allow("quantised the weight", graph_, product)) return false;
    const ir::OriginSet origins = graph_.value(product.inputs[1]).origins;
    const ir::ValueId integers = graph_.add_constant({}, placed.weight.integers, origins),
                      scales = graph_.add_constant({}, placed.weight.scales, origins);
    const Provenance from{origins, std::as_const(graph_).node(placed.product).constraint};
    const ir::ValueId dq = insert_node(graph_, placed.product, ir::get_op("DequantizeLinear"), {integers, scales},
                                       {{"axis", std::int64_t{placed.axis}}}, 1, from)
                               .outputs[0];
    graph_.node(placed.product).inputs[1] = dq;
    if (const ir::ValueId bias = new_bias(placed, from); bias != ir::kNone) {
      const ir::Node& now = std::as_const(graph_).node(placed.product);
      graph_.node(placed.product).inputs = with_operand(now, operands_of(now).bias, bias);
    }
    return true;
  }
  ir::ValueId new_bias(const PlacedWeight& placed, const Provenance& from) {
    if (placed.integer_bias.integers == nullptr)
      return placed.bias == nullptr ? ir::kNone : graph_.add_constant({}, placed.bias, from.origins);
    const ir::ValueId integers = graph_.add_constant({}, placed.integer_bias.integers, from.origins),
                      scales = graph_.add_constant({}, placed.integer_bias.scales, from.origins);
    return insert_node(graph_, placed.product, ir::get_op("DequantizeLinear"), {integers, scales},
                       {{"axis", std::int64_t{0}}}, 1, from)
        .outputs[0];
  }

  ir::Graph& graph_;
  PassContext& context_;
};

void place_quantisation(ir::Graph& graph, PassContext& context) {
  if (context.in_body()) return;  // of what is computed there no range is known
  if (const auto* plan = context.quantization()) Placer(graph, context).place(decide_placement(graph, *plan));
}

}  // namespace

const Pass place_pass{"quantize", "Q/DQ go around what the plan of quantisation has compute in 8 bits",
                      place_quantisation};

}  // namespace monza::quant
