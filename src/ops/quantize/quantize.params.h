// Quantisation and dequantisation: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// QuantizeLinear(x, scale, zero_point?)   : y = saturate(round_half_even(x / scale) + zero_point)
/// DequantizeLinear(x, scale, zero_point?) : y = (x - zero_point) * scale
/// scale and zero_point are one element (per tensor), one an index of `axis` (per axis), or x's shape with
/// `axis` divided by `block_size`, rounded up (blocked).
/// DynamicQuantizeLinear and DequantizeBlocks have no parameters.
/// All fields are four bytes wide, so that equal parameters have equal bytes.
struct QuantizeParams {
  std::int32_t axis = 0;        ///< not negative
  std::int32_t block_size = 0;  ///< 0: per tensor or per axis
  std::int32_t saturate = 1;    ///< 8-bit floats: 0 lets values out of range become infinity or NaN
  std::int32_t precision = 0;   ///< the DType that x / scale is computed in; 0: f32 rounded to x's type
};

}  // namespace monza
