// Channels of values are divided, the weights that read them multiplied, as the plan's factors say: the same floats,
// but of like size, so that one scale suits all channels of a value.
//   product(x, w)                       ->  product(x / s, s w)
//   norm(x) * scale + bias              ->  norm(x) * (scale / s) + bias / s      where products alone read it
#include <algorithm>
#include <map>
#include <string_view>

#include "ir/op.h"
#include "passes/fusions/product.h"
#include "passes/rewrite.h"
#include "quant/channels.h"
#include "quant/passes.h"

namespace monza::quant {
namespace {

/// `c` with element i times factor(i).
template <typename Factor>
std::shared_ptr<const ir::Constant> scaled(const ir::Constant& c, Factor factor) {
  auto [result, bytes] = ir::allocate_constant(DType::f32, c.shape);
  auto* to = reinterpret_cast<float*>(bytes.data());
  for (std::int64_t i = 0; i < c.numel(); ++i) to[i] = c.as<float>()[i] * factor(i);
  return result;
}

class Divider {
 public:
  Divider(ir::Graph& graph, PassContext& context) : graph_(graph), context_(context) {}

  void divide(ir::ValueId v, const std::vector<float>& factors) {
    std::vector<ir::NodeId> readers;
    for (const ir::NodeId id : graph_.users(v))
      if (!operands_of(std::as_const(graph_).node(id)).conv &&
          channels_read(graph_, std::as_const(graph_).node(id), v) == static_cast<std::int64_t>(factors.size()))
        readers.push_back(id);
    if (readers.empty()) return;
    const ir::Node& first = std::as_const(graph_).node(readers.front());
    const bool alone = readers.size() == graph_.user_count(v) && !graph_.is_output(v);
    const ir::Node* producer = graph_.producer(v);
    const bool producer_takes_them = alone && producer != nullptr && can_divide(*producer, factors.size());
    if (!context_.allow("divided the channels of its input", graph_, first)) return;
    if (producer_takes_them) divide_at(producer->id, factors);
    else insert_division(v, readers, factors);
    for (const ir::NodeId id : readers) multiply_weight(id, factors);
  }

  /// The node is a normalisation whose scale and bias can be divided.
  bool can_divide(const ir::Node& n, std::size_t channels) const {
    const auto fits = [&](std::size_t i) {
      if (!has_operand(n, i)) return true;
      const auto& c = graph_.value(n.inputs[i]).constant;
      return c && c->dtype == DType::f32 && c->shape == Shape{static_cast<std::int64_t>(channels)};
    };
    const std::string_view op = n.op->name;
    return (op == "LayerNormalization" || op == "RMSNormalization") && n.outputs.size() == 1 && has_operand(n, 1) &&
           fits(1) && fits(2);
  }

 private:
  void set_constant(ir::NodeId id, std::size_t input, std::shared_ptr<const ir::Constant> constant) {
    const ir::OriginSet origins = graph_.value(std::as_const(graph_).node(id).inputs[input]).origins;
    const ir::ValueId v = graph_.add_constant({}, std::move(constant), origins);
    graph_.node(id).inputs[input] = v;
  }

  void divide_at(ir::NodeId id, const std::vector<float>& factors) {
    const ir::Node& n = std::as_const(graph_).node(id);
    for (const std::size_t i : {1U, 2U}) {
      if (!has_operand(n, i)) continue;
      const ir::Constant& c = *graph_.value(n.inputs[i]).constant;
      set_constant(id, i, scaled(c, [&](std::int64_t at) { return 1 / factors[static_cast<std::size_t>(at)]; }));
    }
  }

  void insert_division(ir::ValueId v, const std::vector<ir::NodeId>& readers, const std::vector<float>& factors) {
    std::vector<float> inverse;
    for (const float f : factors) inverse.push_back(1 / f);
    const ir::OriginSet origins = graph_.value(v).origins;
    const ir::ValueId constant = graph_.add_constant(
        {}, ir::constant_f32(std::move(inverse), Shape{static_cast<std::int64_t>(factors.size())}), origins);
    const Provenance from{origins, std::as_const(graph_).node(readers.front()).constraint};
    const ir::ValueId divided =
        insert_node(graph_, readers.front(), ir::get_op("Mul"), {v, constant}, {}, 1, from).outputs[0];
    graph_.value(divided).name = divided_name(graph_.value(v).name);
    for (const ir::NodeId id : readers) graph_.node(id).inputs[0] = divided;
  }

  void multiply_weight(ir::NodeId id, const std::vector<float>& factors) {
    const ir::Node& product = std::as_const(graph_).node(id);
    const ir::Constant& w = *graph_.value(product.inputs[1]).constant;
    set_constant(id, 1, scaled(w, [&](std::int64_t at) {
                   return factors[static_cast<std::size_t>(channel_of_weight(product, w.shape, at))];
                 }));
  }

  ir::Graph& graph_;
  PassContext& context_;
};

void divide_channels(ir::Graph& graph, PassContext& context) {
  if (context.in_body()) return;  // of what is computed there nothing is known
  const auto* plan = context.quantization();
  if (plan == nullptr || plan->factors.empty()) return;
  for (const ir::ValueId v : graph.values()) {
    const auto it = plan->factors.find(std::as_const(graph).value(v).name);
    if (it != plan->factors.end()) Divider(graph, context).divide(v, it->second);
  }
}

}  // namespace

const Pass divide_channels_pass{"divide_channels", "channels are divided by the factors of the plan of quantisation",
                                divide_channels};

}  // namespace monza::quant
