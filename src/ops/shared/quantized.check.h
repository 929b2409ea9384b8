// The operands of quantised products beside their factors: one scale or one for each output channel, and types that
// fit.
#pragma once

#include "kernel/check_rules.h"
#include "ops/shared/requantize.params.h"

namespace monza::ops {

inline bool is_scale(const TensorView& v) {
  return v.dtype == DType::f32 || v.dtype == DType::f16 || v.dtype == DType::bf16;
}

/// One element, or one for each output channel; read without strides.
inline bool per_column(const TensorView& v, std::int64_t columns) {
  const std::int64_t n = v.shape.numel();
  return (n == 1 || n == columns) && v.dense();
}

/// Scales, zero points, bias and residual of QMatMul and QConv (see QInput), for an output of `columns` channels.
inline Refusal refuse_quantized(const CheckContext& c, std::int64_t columns) {
  using Q = QInput;
  MONZA_REQUIRE(is_8bit(c.in[Q::x]) && is_8bit(c.in[Q::w]), kTypes);
  for (int i : {int{Q::x_scale}, int{Q::w_scale}}) MONZA_REQUIRE(c.has_input(i), "a scale is missing");
  for (int i : {int{Q::x_scale}, int{Q::w_scale}, int{Q::y_scale}, int{Q::r_scale}, int{Q::mid_scale}})
    MONZA_REQUIRE(!c.has_input(i) || is_scale(c.in[i]), kTypes);
  for (int i : {int{Q::x_scale}, int{Q::x_zero}, int{Q::y_scale}, int{Q::y_zero}, int{Q::r_scale}, int{Q::r_zero},
                int{Q::mid_scale}, int{Q::mid_zero}})
    MONZA_REQUIRE(!c.has_input(i) || one_element(c.in[i]), "a scale or zero point is not one number");
  for (int i : {int{Q::w_scale}, int{Q::w_zero}, int{Q::bias}})
    MONZA_REQUIRE(!c.has_input(i) || per_column(c.in[i], columns),
                  "there is not one scale, zero point or bias for each output channel");
  for (int i : {int{Q::x_zero}, int{Q::w_zero}, int{Q::y_zero}, int{Q::r_zero}, int{Q::mid_zero}})
    MONZA_REQUIRE(!c.has_input(i) || is_8bit(c.in[i]), kTypes);
  MONZA_REQUIRE(!c.has_input(Q::bias) || c.in[Q::bias].dtype == DType::i32 || c.in[Q::bias].dtype == DType::f32,
                kTypes);
  const bool quantized = c.has_input(Q::y_scale);
  MONZA_REQUIRE(quantized ? is_8bit(c.out[0]) : c.out[0].dtype == DType::f32, kTypes);
  MONZA_REQUIRE(quantized || !c.has_input(Q::mid_scale), "an f32 output is not quantised before");
  if (c.has_input(Q::residual)) {
    MONZA_REQUIRE(c.in[Q::residual].shape == c.out[0].shape, "residual and output differ in shape");
    MONZA_REQUIRE(quantized ? is_8bit(c.in[Q::residual]) : c.in[Q::residual].dtype == DType::f32, kTypes);
  }
  return nullptr;
}

}  // namespace monza::ops
