#include "quant/channels.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ir/op.h"
#include "passes/fusions/product.h"

namespace monza::quant {

std::int64_t channels_read(const ir::Graph& graph, const ir::Node& node, ir::ValueId v) {
  const std::string_view op = node.op->name;
  if ((op != "Conv" && op != "MatMul") || node.inputs[0] != v) return 0;
  if (std::count(node.inputs.begin(), node.inputs.end(), v) != 1) return 0;
  const auto& weight = graph.value(node.inputs[1]).constant;
  if (!weight || weight->dtype != DType::f32) return 0;
  if (op == "Conv") return weight->shape[1] * attrs_of(node).i("group");
  if (weight->shape.rank != 2 || attrs_of(node).i("trans_a") != 0) return 0;
  return weight->shape[attrs_of(node).i("trans_b") != 0 ? 1 : 0];
}

std::int64_t channel_of_weight(const ir::Node& product, const Shape& weight, std::int64_t at) {
  if (!operands_of(product).conv) return attrs_of(product).i("trans_b") != 0 ? at % weight[1] : at / weight[1];
  const std::int64_t inner = weight.count(2, weight.rank), filter = at / inner / weight[1],
                     per_group = weight[0] / attrs_of(product).i("group");
  return filter / per_group * weight[1] + at / inner % weight[1];
}

std::vector<float> weight_reach(const ir::Graph& graph, const ir::Node& product) {
  const ir::Constant& w = *graph.value(product.inputs[1]).constant;
  std::vector<float> reach(static_cast<std::size_t>(channels_read(graph, product, product.inputs[0])), 0);
  for (std::int64_t i = 0; i < w.numel(); ++i) {
    float& most = reach[static_cast<std::size_t>(channel_of_weight(product, w.shape, i))];
    most = std::max(most, std::abs(w.as<float>()[i]));
  }
  return reach;
}

}  // namespace monza::quant
