// Matrix product: parameters.
#pragma once

#include <cstdint>

#include "ops/shared/activation.params.h"

namespace monza {

/// MatMul(a, b, bias?, residual?) with numpy's rules: batch axes broadcast, one-dimensional operands get an
/// axis that the output drops again.
///   a : [..., M, K] ([..., K, M] when trans_a)      b : [..., K, N] ([..., N, K] when trans_b)
///   bias, residual : broadcast to the output
///   out : [..., M, N] = act(alpha * a b + bias + residual), or act(alpha * a b + bias) + residual
/// A block-quantised b (q4_0, q8_0) has rows of K elements: trans_b is set.
/// All fields are four bytes wide, so that the struct has no padding and equal parameters have equal bytes.
struct MatMulParams {
  std::int32_t trans_a = 0;
  std::int32_t trans_b = 0;
  float alpha = 1;
  Activation act;
  std::int32_t residual_after = 0;  ///< 1: the residual is added after the activation
};

}  // namespace monza
