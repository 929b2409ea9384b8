#include "quant/bias_correction.h"

#include "passes/fusions/product.h"
#include "quant/channels.h"

namespace monza::quant {

std::shared_ptr<const ir::Constant> corrected_bias(const ir::Graph& graph, const ir::Node& product,
                                                   const QuantizedWeight& weight, const std::vector<float>& mean) {
  const ProductOperands at = operands_of(product);
  if (!at.conv || channels_read(graph, product, product.inputs[0]) != static_cast<std::int64_t>(mean.size()))
    return nullptr;
  const ir::Constant& w = *graph.value(product.inputs[1]).constant;
  const std::int64_t filters = w.shape[0], inner = w.numel() / filters;
  const auto* integers = weight.integers->as<std::int8_t>();
  std::vector<double> moved(static_cast<std::size_t>(filters), 0);
  for (std::int64_t i = 0; i < w.numel(); ++i) {
    const auto filter = static_cast<std::size_t>(i / inner);
    const double error = static_cast<double>(integers[i]) * weight.scales->as<float>()[filter] - w.as<float>()[i];
    moved[filter] += error * mean[static_cast<std::size_t>(channel_of_weight(product, w.shape, i))];
  }
  const ir::Constant* bias =
      has_operand(product, at.bias) ? graph.value(product.inputs[at.bias]).constant.get() : nullptr;
  std::vector<float> corrected;
  for (std::size_t m = 0; m < moved.size(); ++m) {
    const float old = bias == nullptr ? 0 : bias->as<float>()[bias->numel() == 1 ? 0 : m];
    corrected.push_back(static_cast<float>(old - moved[m]));
  }
  return ir::constant_f32(std::move(corrected), Shape{filters});
}

}  // namespace monza::quant
