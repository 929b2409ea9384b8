#include "quant/quantizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace monza::quant {
namespace {

// Scales of products are multiplied: far below this their product would be no normal float.
constexpr float kLeastScale = 1e-12F;

}  // namespace

ValueRange with_zero(ValueRange r) { return {std::min(r.low, 0.0F), std::max(r.high, 0.0F)}; }

ValueRange hull(ValueRange a, ValueRange b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

Affine affine_of(ValueRange range) {
  const ValueRange r = with_zero(range);
  // In double, as the difference of two floats may be none.
  const double width = static_cast<double>(r.high) - r.low;
  const auto scale =
      static_cast<float>(std::min(width / kSteps, static_cast<double>(std::numeric_limits<float>::max())));
  if (scale < kLeastScale) return {1.0F / kSteps, 0};
  return {scale, static_cast<int>(std::clamp(std::lround(-r.low / scale), 0L, static_cast<long>(kSteps)))};
}

ValueRange range_of(const Affine& a) {
  return {static_cast<float>(-a.zero_point) * a.scale, static_cast<float>(kSteps - a.zero_point) * a.scale};
}

QuantizedWeight quantize_weight(const ir::Constant& weight, int axis, int pair_axis) {
  constexpr float kMost = 127;  // not -128: the range is symmetric
  const std::int64_t channels = weight.shape[axis], inner = weight.shape.count(axis + 1, weight.shape.rank),
                     count = weight.numel();
  const float* from = weight.as<float>();
  std::vector<float> scales(static_cast<std::size_t>(channels), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(from[i])) return {};
    float& scale = scales[static_cast<std::size_t>(i / inner % channels)];
    scale = std::max(scale, std::abs(from[i]));
  }
  if (pair_axis >= 0) {
    const std::int64_t step = weight.shape.count(pair_axis + 1, weight.shape.rank), extent = weight.shape[pair_axis];
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = i / step % extent;
      if (at % 2 != 0 || at + 1 == extent || (from[i] > 0) != (from[i + step] > 0)) continue;
      float& scale = scales[static_cast<std::size_t>(i / inner % channels)];
      scale = std::max(scale, std::abs(from[i] + from[i + step]));
    }
  }
  // A channel of zeros has any scale: one with which its bias is a number of steps like those of others.
  const float largest = scales.empty() ? 0 : *std::max_element(scales.begin(), scales.end());
  for (float& scale : scales) scale = std::max((scale == 0 ? largest : scale) / kMost, kLeastScale);
  auto [integers, bytes] = ir::allocate_constant(DType::i8, weight.shape);
  auto* to = reinterpret_cast<std::int8_t*>(bytes.data());
  for (std::int64_t i = 0; i < count; ++i) {
    const float steps = std::nearbyint(from[i] / scales[static_cast<std::size_t>(i / inner % channels)]);
    to[i] = static_cast<std::int8_t>(std::clamp(steps, -kMost, kMost));
  }
  return {integers, ir::constant_f32(std::move(scales), Shape{channels})};
}

QuantizedBias quantize_bias(const ir::Constant& bias, float x_scale, const QuantizedWeight& weight) {
  constexpr double kMost = 1 << 30;  // as much again is left for what is added up
  std::vector<float> scales(weight.scales->as<float>(), weight.scales->as<float>() + weight.scales->numel());
  const Shape shape{weight.scales->numel()};
  auto [integers, bytes] = ir::allocate_constant(DType::i32, shape);
  auto* to = reinterpret_cast<std::int32_t*>(bytes.data());
  for (std::size_t c = 0; c < scales.size(); ++c) {
    scales[c] *= x_scale;
    const double steps = static_cast<double>(bias.as<float>()[bias.numel() == 1 ? 0 : c]) / scales[c];
    if (!(std::abs(steps) <= kMost)) return {};
    to[c] = static_cast<std::int32_t>(std::nearbyint(steps));
  }
  return {integers, ir::constant_f32(std::move(scales), shape)};
}

}  // namespace monza::quant
