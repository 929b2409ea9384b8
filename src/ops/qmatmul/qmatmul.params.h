// Integer matrix products: parameters.
#pragma once

#include <cstdint>

#include "ops/shared/activation.params.h"
#include "ops/shared/requantize.params.h"

namespace monza {

/// MatMulInteger(a, b, a_zero?, b_zero?) : i32 = (a - a_zero) (b - b_zero), modulo 2^32
/// QMatMul(...QInput) : quantised or f32 = act(x_scale * w_scale[n] * (a - x_zero) (b - w_zero[n]) + bias[n] +
/// residual)
///   a : [..., M, K] (u8, i8)     b : [..., K, N], or [N, K] when trans_b (u8, i8)     out : [..., M, N]
/// numpy's rules for batches and one-dimensional operands. MatMulInteger's a_zero may have one element a row.
struct QMatMulParams {
  std::int32_t trans_b = 0;
  Activation act;
  std::int32_t residual_after = 0;  ///< f32 output only: the residual is added after the activation
};

}  // namespace monza
