// Elementwise operators: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// Functions of one element. Numbers are part of the engine file: append, never renumber.
enum class UnaryKind : std::int32_t {
  identity = 0,
  abs = 1,
  neg = 2,
  sign = 3,
  ceil = 4,
  floor = 5,
  round = 6,  ///< half to even
  sqrt = 7,
  reciprocal = 8,
  exp = 9,
  log = 10,
  sin = 11,
  cos = 12,
  tan = 13,
  asin = 14,
  acos = 15,
  atan = 16,
  sinh = 17,
  cosh = 18,
  tanh = 19,
  asinh = 20,
  acosh = 21,
  atanh = 22,
  erf = 23,
  relu = 24,
  leaky_relu = 25,  ///< x < 0 ? alpha x : x
  elu = 26,         ///< x < 0 ? alpha (exp(x) - 1) : x
  selu = 27,        ///< beta (x <= 0 ? alpha (exp(x) - 1) : x)
  celu = 28,        ///< max(0, x) + min(0, alpha (exp(x / alpha) - 1))
  sigmoid = 29,
  hard_sigmoid = 30,  ///< min(max(alpha x + beta, 0), 1)
  hardswish = 31,     ///< x min(max(x / 6 + 1 / 2, 0), 1)
  swish = 32,         ///< x sigmoid(alpha x)
  gelu_erf = 33,
  gelu_tanh = 34,
  mish = 35,              ///< x tanh(log(1 + exp(x)))
  softplus = 36,          ///< log(1 + exp(x))
  softsign = 37,          ///< x / (1 + |x|)
  thresholded_relu = 38,  ///< x > alpha ? x : 0
  shrink = 39,            ///< x < -alpha ? x + beta : x > alpha ? x - beta : 0
  logical_not = 40,
  bitwise_not = 41,
  is_nan = 42,
  is_inf = 43,  ///< alpha: negative infinity counts; beta: positive infinity counts
};

/// out[i] = f(x[i]). Four-byte fields only, so that equal parameters have equal bytes.
struct UnaryParams {
  UnaryKind kind = UnaryKind::identity;
  float alpha = 0;
  float beta = 0;
};

/// Functions of two elements. Numbers are part of the engine file: append, never renumber.
enum class BinaryKind : std::int32_t {
  add = 0,
  sub = 1,
  mul = 2,
  div = 3,   ///< integers truncate; by zero gives 0
  mod = 4,   ///< sign of the divisor; integers: by zero gives 0
  fmod = 5,  ///< sign of the dividend; integers: by zero gives 0
  pow = 6,   ///< integers wrap; a negative power of 0 is 0
  min = 7,   ///< NaN if one is
  max = 8,
  shift_left = 9,
  shift_right = 10,  ///< shifts by less than 0 or the width and more leave the sign alone: 0 or -1
  bitwise_and = 11,
  bitwise_or = 12,
  bitwise_xor = 13,
  logical_and = 14,
  logical_or = 15,
  logical_xor = 16,
  equal = 17,
  less = 18,
  less_or_equal = 19,
  greater = 20,
  greater_or_equal = 21,
  prelu = 22,  ///< x < 0 ? slope x : x
};

/// out[i] = f(a[i], b[i]), a and b broadcast by numpy's rules.
struct BinaryParams {
  BinaryKind kind = BinaryKind::add;
};

/// Cast(x): the output's type says what to.
struct CastParams {
  enum class Round : std::int32_t { up = 0, down = 1, nearest = 2 };
  std::int32_t saturate = 1;  ///< f8 types: values out of range become the largest finite one
  Round e8m0 = Round::up;     ///< how f8e8m0 rounds
};

}  // namespace monza
