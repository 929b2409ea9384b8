// Activations of one value on a GPU, in float or double, as activation.ref.cpp has them.
#pragma once

#include <cmath>

#include "ops/shared/activation.params.h"

namespace monza::gpu {

template <typename C>
__device__ __forceinline__ C softplus(C x) {
  return x > C(30) ? x + exp(-x) : log1p(exp(x));
}
template <typename C>
__device__ __forceinline__ C clamp(C x, C low, C high) {
  return x < low ? low : x > high ? high : x;
}

/// `slope` is read by prelu only. The kind is the same for all threads of a launch, so the branches cost little.
template <typename C>
__device__ __forceinline__ C activate(const Activation& act, C x, C slope = 0) {
  const C alpha = act.alpha, beta = act.beta, zero = 0, one = 1;
  switch (act.kind) {
    case ActivationKind::none: return x;
    case ActivationKind::relu: return x < zero ? zero : x;
    case ActivationKind::clip: return clamp(x, alpha, beta);
    case ActivationKind::silu: return x / (one + exp(-x));
    case ActivationKind::hardswish: return x * clamp(x / C(6) + C(0.5), zero, one);
    case ActivationKind::gelu_erf: return C(0.5) * x * (one + erf(x * C(M_SQRT1_2)));
    case ActivationKind::gelu_tanh:
      return C(0.5) * x * (one + tanh(C(0.79788456080286535588) * (x + C(0.044715) * x * x * x)));
    case ActivationKind::sigmoid: return one / (one + exp(-x));
    case ActivationKind::leaky_relu: return x < zero ? alpha * x : x;
    case ActivationKind::prelu: return x < zero ? slope * x : x;
    case ActivationKind::tanh: return tanh(x);
    case ActivationKind::elu: return x < zero ? alpha * expm1(x) : x;
    case ActivationKind::hard_sigmoid: return clamp(alpha * x + beta, zero, one);
    case ActivationKind::softplus: return softplus(x);
    case ActivationKind::mish: return x * tanh(softplus(x));
  }
  return x;
}

/// GELU for what is stored in 16 bits: x Phi(x), Phi the normal distribution: 0.5 + x P(x^2), P the polynomial of
/// degree 8 that is nearest on [-4.25, 4.25] (the result is off by 9e-5 at most), scaled so that Phi is 0 or 1 beyond.
__device__ __forceinline__ float gelu(float x) {
  const float v = fminf(fmaxf(x, -4.25F), 4.25F), u = v * v;
  float p = 4.5471530e-11F;
  p = fmaf(p, u, -4.5153872e-9F);
  p = fmaf(p, u, 1.9861977e-7F);
  p = fmaf(p, u, -5.1476187e-6F);
  p = fmaf(p, u, 8.8491008e-5F);
  p = fmaf(p, u, -1.0791012e-3F);
  p = fmaf(p, u, 9.7189914e-3F);
  p = fmaf(p, u, -6.6191736e-2F);
  p = fmaf(p, u, 0.39882798F);
  return x * __saturatef(fmaf(p, v, 0.5F));
}

}  // namespace monza::gpu
