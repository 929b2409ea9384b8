// From ranges to scales, and constants to integers.
#pragma once

#include <cstdint>
#include <memory>

#include "ir/constant.h"
#include "monza/quantization.h"

namespace monza::quant {

/// A value x is stored as clamp(round(x / scale) + zero_point, 0, 255), as QuantizeLinear does to u8.
struct Affine {
  float scale = 1;
  int zero_point = 0;
};
inline constexpr int kSteps = 255;  ///< between the least and the largest of 8 bits

/// The range with 0 in it, which must be exact: padding and what a ReLU cuts off are zeros.
ValueRange with_zero(ValueRange range);
/// The smallest range that holds both.
ValueRange hull(ValueRange a, ValueRange b);
/// Steps over the range with 0 in it. The range must be finite.
Affine affine_of(ValueRange range);
/// What 0 and 255 stand for.
ValueRange range_of(const Affine& affine);

/// A weight as symmetric 8-bit integers with a scale for each index of `axis`: the axis of output channels, along which
/// products have a factor of their own at no cost (Krishnamoorthi 2018, arXiv:1806.08342, 3.1).
struct QuantizedWeight {
  std::shared_ptr<const ir::Constant> integers;  ///< i8, of the weight's shape
  std::shared_ptr<const ir::Constant> scales;    ///< f32 [channels]
};
/// `weight` is f32. Elements 2 i and 2 i + 1 of `pair_axis` that have one sign add up to at most 127 steps, and 128
/// once they are rounded (QuantizationPlan::narrow_pairs); -1: no such bound. Null parts when an element is not finite.
QuantizedWeight quantize_weight(const ir::Constant& weight, int axis, int pair_axis = -1);

/// A bias in the steps of a product's accumulators, so that whoever computes it adds integers alone.
struct QuantizedBias {
  std::shared_ptr<const ir::Constant> integers;  ///< i32 [channels]
  std::shared_ptr<const ir::Constant> scales;    ///< f32 [channels]: the product's
};
/// `bias` is f32, one number or as many as the weight has scales; `x_scale` is that of what the product reads. Null
/// parts where a number is too many steps, as it is behind weights that are all but zero, or not finite.
QuantizedBias quantize_bias(const ir::Constant& bias, float x_scale, const QuantizedWeight& weight);

}  // namespace monza::quant
