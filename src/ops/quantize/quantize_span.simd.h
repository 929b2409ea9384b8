// f32 numbers to 8 bits, and the scale that their range asks for. The quotient is the one that ONNX's division rounds
// to: a reciprocal alone would round some halves the other way.
#pragma once

#include "ops/qmatmul/igemm_finish.simd.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

/// x / scale for x / scale within +-1024, to the last bit where it is at least 1/4. A division of 16 numbers holds
/// Intel's divider for 16 cycles, this is 5 operations: the reciprocal's product is corrected by its remainder, once to
/// be within one unit in the last place and once more to be rounded correctly (P. Markstein, "Computation of elementary
/// functions on the IBM RISC System/6000 processor", 1990). `reciprocal` is 1 / scale, rounded.
MONZA_INLINE Q::F quotient(Q::F x, Q::F scale, Q::F reciprocal) {
  const Q::F near = Q::mul(x, reciprocal);
  const Q::F nearer = Q::fma(Q::fnma(near, scale, x), reciprocal, near);
  return Q::fma(Q::fnma(nearer, scale, x), reciprocal, nearer);
}

/// Elements [from, to) of x / scale, rounded, with the zero point added, saturated.
MONZA_INLINE void quantize_span(const float* x, std::uint8_t* y, std::int64_t from, std::int64_t to, float scale,
                                std::int32_t zero, bool is_signed) {
  Requantize range;
  range.low = static_cast<float>((is_signed ? -128 : 0) - zero);
  range.high = static_cast<float>((is_signed ? 127 : 255) - zero);
  range.y_zero = zero;
  const QBytes bytes = q_bytes(range, is_signed);
  const Q::F s = Q::set(scale);
  // Beyond these scales a remainder could be subnormal or a bound infinite.
  const bool corrected = Q::kLanes == 16 && scale >= 0x1p-60F && scale <= 0x1p60F;
  const Q::F reciprocal = Q::set(1.0F / scale), least = Q::set(-1024 * scale), most = Q::set(1024 * scale);
  const auto divided = [&](Q::F v) __attribute__((always_inline)) {
    return corrected ? quotient(Q::clamp(Q::number(v), least, most), s, reciprocal) : Q::number(Q::div(v, s));
  };
  std::int64_t i = from;
  for (; i + 4 * Q::kLanes <= to; i += 4 * Q::kLanes) {
    Q::F v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) v[k] = divided(Q::load(x + i + k * Q::kLanes));
    Q::store_quarters<0, 4>(y + i, Q::bytes_in_order(q_pack(bytes, v)), 4 * Q::kLanes);
  }
  for (; i < to; i += Q::kLanes) {
    const Q::Mask mask = Q::mask(to - i);
    const Q::F v = Q::clamp(divided(Q::load_f32(x + i, mask)), Q::set(range.low), Q::set(range.high));
    Q::store_u8(y + i, Q::add(Q::to_i32(v), Q::set(zero)), mask);
  }
}

struct DynamicScale {
  float scale;
  std::int32_t zero;
};

/// Of numbers and zero; NaN counts nothing.
struct QuantizeRange {
  float low = 0, high = 0;

  MONZA_INLINE void add(const QuantizeRange& other) {
    low = other.low < low ? other.low : low;
    high = other.high > high ? other.high : high;
  }
  /// As DynamicQuantizeLinear computes them, of u8. Where the range is zero alone the scale is 1.
  MONZA_INLINE DynamicScale scale() const {
    const float scale = high == low ? 1.0F : (high - low) / 255.0F;
    float offset = __builtin_nearbyintf((0.0F - low) / scale);
    offset = offset > 0 ? offset : 0;
    return {scale, static_cast<std::int32_t>(offset < 255 ? offset : 255)};
  }
};

inline __attribute__((noinline)) QuantizeRange range_of(const float* x, std::int64_t count) {
  Vec low[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()},
      high[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
  std::int64_t i = 0;
  for (; i + 4 * Vec::kWidth <= count; i += 4 * Vec::kWidth)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const Vec v = Vec::load(x + i + k * Vec::kWidth);
      low[k] = min(v, low[k]);  // the second where v is NaN
      high[k] = max(v, high[k]);
    }
  for (; i < count; i += Vec::kWidth) {
    const Vec v =
        Vec::load(x + i, Vec::mask(count - i < Vec::kWidth ? count - i : Vec::kWidth));  // zeros beyond the end
    low[0] = min(v, low[0]);
    high[0] = max(v, high[0]);
  }
  float lows[Vec::kWidth], highs[Vec::kWidth];
  min(min(low[0], low[1]), min(low[2], low[3])).store(lows);
  max(max(high[0], high[1]), max(high[2], high[3])).store(highs);
  QuantizeRange range;
  for (int k = 0; k < Vec::kWidth; ++k) range.add({lows[k], highs[k]});
  return range;
}

}  // namespace
}  // namespace monza::ops
