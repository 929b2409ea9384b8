// What integer products become on the way out: the arithmetic that the reference and every fast kernel share.
#pragma once

#include <cstdint>

#include "base/macros.h"
#include "ops/shared/activation.params.h"

namespace monza {

/// Inputs that QConv and QMatMul have in common, by position.
struct QInput {
  enum : int {
    x = 0,
    x_scale = 1,
    x_zero = 2,
    w = 3,
    w_scale = 4,
    w_zero = 5,
    y_scale = 6,
    y_zero = 7,  ///< both absent: the output is f32
    bias = 8,    ///< i32: added to the accumulator (its scale is x_scale * w_scale); f32: a real number
    residual = 9,
    r_scale = 10,
    r_zero = 11,  ///< of the output's shape; f32 without scale when the output is f32
    mid_scale = 12,
    mid_zero = 13,  ///< the product is first quantised with these, as Q/DQ graphs say before an Add
    count = 14,
  };
};

/// The factors of one quantised output tensor. With acc the exact accumulator (zero points taken off, i32 bias added):
///   v = fma(acc, m[n], b[n])                     m[n] = x_scale * w_scale[n] / first, b[n] = bias[n] / first
///   v = rint(clamp(v, mid range))                only with mid_scale
///   v = fma(residual - r_zero, r_scale / y_scale, v * (first / y_scale))    only with a residual
///   y = rint(clamp(v, low, high)) + y_zero
/// where first is mid_scale if there is one, else y_scale. All in f32, each operation rounded once, so that every
/// kernel gives the same bits. clamp(v, low, high) is v > low ? v : low, then v < high ? v : high. An activation that
/// is more than bounds stands behind the first line, with first = 1: v = act(v) * (first / y_scale); there is no inner
/// quantisation and no residual then. Its series differ in their last bits from one instruction set to another, so a
/// result may differ by one.
struct Requantize {
  float first = 1;  ///< m and b are divided by it
  float mid_low = 0, mid_high = 0;
  float first_over_y = 1;
  float r_over_y = 0;
  std::int32_t r_zero = 0;
  float low = 0, high = 0;  ///< the output type's range and the activation, less y_zero
  std::int32_t y_zero = 0;
};

/// Whether an activation does no more to a quantised output than bound it.
MONZA_INLINE bool only_bounds(const Activation& act) {
  return act.kind == ActivationKind::none || act.kind == ActivationKind::relu || act.kind == ActivationKind::clip;
}

/// Fills everything but the mid and residual parts.
MONZA_INLINE Requantize requantize_of(const Activation& act, float y_scale, std::int32_t y_zero, bool y_signed) {
  Requantize q;
  q.first = y_scale;
  q.y_zero = y_zero;
  q.low = static_cast<float>((y_signed ? -128 : 0) - y_zero);
  q.high = static_cast<float>((y_signed ? 127 : 255) - y_zero);
  if (act.kind == ActivationKind::relu || act.kind == ActivationKind::clip) {
    const float from = act.kind == ActivationKind::relu ? 0.0F : act.alpha / y_scale;
    if (from > q.low) q.low = from < q.high ? from : q.high;
    const float to = act.beta / y_scale;
    if (act.kind == ActivationKind::clip && to < q.high) q.high = to > q.low ? to : q.low;
  }
  if (!only_bounds(act)) {
    q.first = 1;
    q.first_over_y = 1 / y_scale;
  }
  return q;
}

MONZA_INLINE void requantize_mid(Requantize& q, float mid_scale, std::int32_t mid_zero, bool mid_signed,
                                 float y_scale) {
  q.first = mid_scale;
  q.first_over_y = mid_scale / y_scale;
  q.mid_low = static_cast<float>((mid_signed ? -128 : 0) - mid_zero);
  q.mid_high = static_cast<float>((mid_signed ? 127 : 255) - mid_zero);
}

}  // namespace monza
