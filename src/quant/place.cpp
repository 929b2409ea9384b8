// Q/DQ around what shall compute on integers. The fusions that follow make integer operators of it:
//   product(DQ(x), DQ(w), bias)            fuse_quantized_rest: an integer product with a float result, or
//   Q(product(DQ(x), DQ(w), bias))         fuse_quantized_products: with an integer result
//   Q(move(DQ(x))), Q(concat(DQ(x), ...))  fuse_quantized_moves, fuse_quantized_joins: nothing but the move
//   Q(act(DQ(a) + DQ(b)))                  fuse_quantized_residual, fuse_quantized_sums
#include <optional>
#include <string_view>

#include "ir/op.h"
#include "passes/fusions/product.h"
#include "passes/rewrite.h"
#include "quant/passes.h"
#include "quant/quantizer.h"
#include "quant/sites.h"

namespace monza::quant {
namespace {

/// What the activation of a product lets through, whatever was observed.
ValueRange within_activation(const ir::Graph& g, ir::ValueId v, ValueRange range) {
  const ir::Node* n = g.producer(v);
  if (n == nullptr) return range;
  const std::string_view op = n->op->name;
  const bool product = op == "Conv" || op == "MatMul";
  if (op == "Relu" || (product && attrs_of(*n).s("activation") == "relu")) range.low = std::max(range.low, 0.0F);
  return with_zero(range);
}

class Placer {
 public:
  Placer(ir::Graph& graph, PassContext& context, const QuantizationPlan& plan)
      : graph_(graph),
        context_(context),
        plan_(plan),
        sites_(find_sites(graph, plan.kept, [&](const std::string& name) { return plan.ranges.contains(name); })) {}

  void place() {
    for (const KeptProduct& kept : sites_.kept)
      context_.near_miss("integer product", graph_, std::as_const(graph_).node(kept.node), kept.why);
    for (const ValueGroup& group : sites_.groups) {
      const Affine affine = affine_of(range_of_group(group));
      for (const ir::ValueId v : group.values)
        if (!quantise(v, affine)) return;
    }
    for (const ir::NodeId id : sites_.products)
      if (!quantise_weight(id)) return;
  }

 private:
  ValueRange range_of_group(const ValueGroup& group) const {
    ValueRange range;
    for (const ir::ValueId v : group.sources)
      range = hull(range, within_activation(graph_, v, plan_.ranges.at(graph_.value(v).name)));
    return range;
  }

  ir::ValueId scalar(std::shared_ptr<const ir::Constant> constant, const ir::OriginSet& origins) {
    return graph_.add_constant({}, std::move(constant), origins);
  }

  /// The nodes that shall read `v` as integers, with the inputs where they do.
  std::vector<Use> readers(ir::ValueId v) const {
    std::vector<Use> found;
    const bool all = sites_.integers.contains(v);
    for (const ir::NodeId id : graph_.users(v)) {
      const auto& inputs = std::as_const(graph_).node(id).inputs;
      for (std::size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i] == v && (all || sites_.integer_uses.contains({id, i}))) found.push_back({id, i});
    }
    return found;
  }

  bool quantise(ir::ValueId v, const Affine& affine) {
    const std::vector<Use> uses = readers(v);
    if (uses.empty()) return true;
    const ir::NodeId first = uses.front().node;
    if (!context_.allow("quantised", graph_, std::as_const(graph_).node(first))) return false;
    const ir::OriginSet origins = graph_.value(v).origins;
    const auto zero = static_cast<std::byte>(affine.zero_point);
    const ir::ValueId scale = scalar(ir::constant_f32_scalar(affine.scale), origins),
                      zero_point = scalar(ir::make_constant(DType::u8, Shape{}, std::span(&zero, 1)), origins);
    const Provenance from{origins, std::as_const(graph_).node(first).constraint};
    const ir::ValueId q =
        insert_node(graph_, first, ir::get_op("QuantizeLinear"), {v, scale, zero_point}, {}, 1, from).outputs[0];
    const ir::ValueId dq =
        insert_node(graph_, first, ir::get_op("DequantizeLinear"), {q, scale, zero_point}, {}, 1, from).outputs[0];
    for (const Use& use : uses) graph_.node(use.node).inputs[use.input] = dq;
    return true;
  }

  bool quantise_weight(ir::NodeId id) {
    const ir::Node& product = std::as_const(graph_).node(id);
    const bool by_rows = operands_of(product).conv || attrs_of(product).i("trans_b") != 0;
    const int axis = by_rows ? 0 : 1;
    const ir::ValueId w = product.inputs[1];
    const auto [it, is_new] = weights_.try_emplace({w, axis});
    if (is_new) it->second = quantize_weight(*graph_.value(w).constant, axis);
    if (it->second.integers == nullptr) {
      context_.near_miss("integer product", graph_, product, "its weight has elements that are not finite");
      return true;
    }
    if (!context_.allow("quantised the weight", graph_, product)) return false;
    const ir::OriginSet origins = graph_.value(w).origins;
    const ir::ValueId integers = graph_.add_constant({}, it->second.integers, origins),
                      scales = graph_.add_constant({}, it->second.scales, origins);
    const Provenance from{origins, std::as_const(graph_).node(id).constraint};
    const ir::ValueId dq = insert_node(graph_, id, ir::get_op("DequantizeLinear"), {integers, scales},
                                       {{"axis", std::int64_t{axis}}}, 1, from)
                               .outputs[0];
    graph_.node(id).inputs[1] = dq;
    return true;
  }

  ir::Graph& graph_;
  PassContext& context_;
  const QuantizationPlan& plan_;
  Sites sites_;
  std::map<std::pair<ir::ValueId, int>, QuantizedWeight> weights_;  ///< by the constant and its axis of channels
};

void run(ir::Graph& graph, PassContext& context) {
  if (context.in_body()) return;  // of what is computed there no range is known
  if (const auto* plan = context.quantization()) Placer(graph, context, *plan).place();
}

}  // namespace

const Pass place_pass{"quantize", "Q/DQ go around what the plan of quantisation has compute in 8 bits", run};

}  // namespace monza::quant
