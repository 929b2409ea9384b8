#include "quant/placement.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "ir/op.h"
#include "passes/fusions/product.h"
#include "quant/bias_correction.h"

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

ValueRange range_of_group(const ir::Graph& graph, const QuantizationPlan& plan, const ValueGroup& group) {
  ValueRange range;
  for (const ir::ValueId v : group.sources)
    range = hull(range, within_activation(graph, v, plan.ranges.at(graph.value(v).name)));
  return range;
}

/// The nodes that shall read `v` as integers, with the inputs where they do.
std::vector<Use> readers_of(const ir::Graph& graph, const Sites& sites, ir::ValueId v) {
  std::vector<Use> found;
  const bool all = sites.integers.contains(v);
  for (const ir::NodeId id : graph.users(v)) {
    const auto& inputs = graph.node(id).inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] == v && (all || sites.integer_uses.contains({id, i}))) found.push_back({id, i});
  }
  return found;
}

/// The ONNX node adds the bias itself, rather than one behind it.
bool adds_its_bias(const ir::Graph& graph, const ir::Node& product) {
  if (operands_of(product).conv) return true;
  bool gemm = false;
  for (const std::uint32_t o : product.origins) {
    const std::string& type = graph.model().origins[o].op_type;
    if (type == "Add" || type == "Sub") return false;
    gemm |= type == "Gemm";
  }
  return gemm;
}

/// The bias of a product whose weight is decided, in integers where it can be.
QuantizedBias integer_bias(const ir::Graph& graph, const PlacedWeight& placed, float x_scale) {
  const ir::Node& product = graph.node(placed.product);
  const std::size_t at = operands_of(product).bias;
  if (placed.weight.integers == nullptr || !adds_its_bias(graph, product)) return {};
  const ir::Constant* bias = placed.bias.get();
  if (bias == nullptr && has_operand(product, at)) bias = graph.value(product.inputs[at]).constant.get();
  return bias == nullptr ? QuantizedBias{} : quantize_bias(*bias, x_scale, placed.weight);
}

}  // namespace

Placement decide_placement(const ir::Graph& graph, const QuantizationPlan& plan) {
  const Sites sites = find_sites(graph, plan.kept, [&](const std::string& name) { return plan.ranges.contains(name); });
  Placement placement;
  placement.kept = sites.kept;
  std::map<ir::NodeId, float> x_scales;  // of what products read
  for (const ValueGroup& group : sites.groups) {
    const Affine affine = affine_of(range_of_group(graph, plan, group));
    for (const ir::ValueId v : group.values)
      if (auto readers = readers_of(graph, sites, v); !readers.empty()) {
        for (const Use& use : readers)
          if (use.input == 0) x_scales[use.node] = affine.scale;
        placement.values.push_back({v, affine, std::move(readers)});
      }
  }
  std::map<std::pair<ir::ValueId, int>, QuantizedWeight> weights;  // by the constant and its axis of channels
  for (const ir::NodeId id : sites.products) {
    const ir::Node& product = graph.node(id);
    const bool by_rows = operands_of(product).conv || attrs_of(product).i("trans_b") != 0;
    const int axis = by_rows ? 0 : 1;
    const ir::ValueId w = product.inputs[1];
    const auto [it, is_new] = weights.try_emplace({w, axis});
    const int depth_axis = operands_of(product).conv ? 1 : 1 - axis;
    if (is_new) it->second = quantize_weight(*graph.value(w).constant, axis, plan.narrow_pairs ? depth_axis : -1);
    placement.weights.push_back({id, axis, it->second, nullptr, {}});
    const auto mean = plan.means.find(graph.value(product.inputs[0]).name);
    if (mean != plan.means.end() && it->second.integers != nullptr)
      placement.weights.back().bias = corrected_bias(graph, product, it->second, mean->second);
    placement.weights.back().integer_bias = integer_bias(graph, placement.weights.back(), x_scales.at(id));
  }
  return placement;
}

}  // namespace monza::quant
