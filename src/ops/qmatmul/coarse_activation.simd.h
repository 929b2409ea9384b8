// Activations whose results become 8 bits: cheaper forms than activation.simd.h has, for those that such networks have
// most. Their errors are below 1e-4 of the result, or 3e-5, where a step is some 4e-3 of the largest result.
//
// The series of floats take 22 cycles for 16 SiLUs on Zen 4, as many as a product of depth 88; these 9.
#pragma once

#include "ops/shared/activation.simd.h"
#include "simd/vnni.h"

namespace monza::ops {
namespace {

/// 1 / (1 + 2^t). 2^t = 2^n 2^f with |f| <= 1/2, by a polynomial of degree 3 fitted for the least relative error
/// (7.5e-5). An infinite power gives 0.
MONZA_INLINE Vec coarse_logistic(Vec t) {
  if constexpr (!kScaleUnderflows) t = min(Vec::set(126.0F), max(Vec::set(kScaleLow), t));
  const Vec n = round(t), f = t - n;
  Vec p = fma(f, Vec::set(0.05517167F), Vec::set(0.24261114F));
  p = fma(p, f, Vec::set(0.69326099F));
  p = fma(p, f, Vec::set(0.99992807F));
  return {Q::rough_reciprocal((Vec::set(1.0F) + scale(p, n)).v)};
}
constexpr float kLog2e = 1.44269504F;

MONZA_INLINE Vec coarse_silu(Vec x) { return x * coarse_logistic(x * Vec::set(-kLog2e)); }

/// x * P(X <= x) of the normal distribution, which is a logistic function of an odd polynomial to 2.5e-5, fitted; from
/// 6 on its factor is that of 6.
MONZA_INLINE Vec coarse_gelu(Vec x) {
  const Vec s = min(Vec::set(36.0F), x * x);
  Vec p = fma(s, Vec::set(7.03036104e-4F * kLog2e), Vec::set(-7.40113091e-2F * kLog2e));
  p = fma(p, s, Vec::set(-1.59501575F * kLog2e));
  return x * coarse_logistic(x * p);
}

/// with_activation, where a cheaper form will do.
template <typename F>
MONZA_INLINE void with_coarse_activation(const Activation& act, F&& f) {
  switch (act.kind) {
    case ActivationKind::silu: return f([](Vec x, Vec) __attribute__((always_inline)) { return coarse_silu(x); });
    case ActivationKind::sigmoid:
      return f([](Vec x, Vec) __attribute__((always_inline)) { return coarse_logistic(x * Vec::set(-kLog2e)); });
    case ActivationKind::gelu_erf: return f([](Vec x, Vec) __attribute__((always_inline)) { return coarse_gelu(x); });
    default: return with_activation(act, f);
  }
}

}  // namespace
}  // namespace monza::ops
