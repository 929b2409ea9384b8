// Activations that convolution, matrix product and pointwise kernels apply on the way out.
#pragma once

#include <cstdint>

namespace monza {

/// Numbers are part of the engine file: append, never renumber.
enum class ActivationKind : std::int32_t {
  none = 0,
  relu = 1,        ///< max(x, 0)
  clip = 2,        ///< min(max(x, alpha), beta)
  silu = 3,        ///< x * sigmoid(x)
  hardswish = 4,   ///< x * min(max(x / 6 + 1 / 2, 0), 1)
  gelu_erf = 5,    ///< x / 2 * (1 + erf(x / sqrt 2))
  gelu_tanh = 6,   ///< x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  sigmoid = 7,     ///< 1 / (1 + exp(-x))
  leaky_relu = 8,  ///< x < 0 ? alpha x : x
  prelu = 9,       ///< x < 0 ? slope[channel] x : x
  tanh = 10,
  elu = 11,           ///< x < 0 ? alpha (exp(x) - 1) : x
  hard_sigmoid = 12,  ///< min(max(alpha x + beta, 0), 1)
  softplus = 13,      ///< log(1 + exp(x))
  mish = 14,          ///< x * tanh(softplus(x))
};

/// A fused activation as plain data. alpha and beta mean what the kind says, else are 0.
struct Activation {
  ActivationKind kind = ActivationKind::none;
  float alpha = 0;
  float beta = 0;
};

/// The activation of one value, in double: what references compute. `slope` is read by prelu only.
double activate(const Activation& act, double x, double slope = 0) noexcept;

}  // namespace monza
