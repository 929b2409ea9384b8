// Activations over vectors. Every function is within 3 ulp of its formula, or 1e-7 absolute near its zeros, on the
// whole line; NaN stays NaN, and infinities give what the formula gives in the limit or, as x * sigmoid(x) at minus
// infinity, the NaN that the formula gives (docs/numerics.md).
#pragma once

#include "ops/shared/activation.params.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

/// e^x for n = round(x / ln 2) that scale() takes.
MONZA_INLINE Vec vexp_bounded(Vec x, Vec n) {
  Vec r = fnma(n, Vec::set(0.693359375f), x);
  r = fnma(n, Vec::set(-2.12194440e-4f), r);
  Vec p = Vec::set(1.0f / 5040);
  p = fma(p, r, Vec::set(1.0f / 720));
  p = fma(p, r, Vec::set(1.0f / 120));
  p = fma(p, r, Vec::set(1.0f / 24));
  p = fma(p, r, Vec::set(1.0f / 6));
  p = fma(p, r, Vec::set(0.5f));
  p = fma(p, r, Vec::set(1.0f));
  p = fma(p, r, Vec::set(1.0f));
  return scale(p, n);
}

/// e^x. x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 7 (Horner), ln 2 in two parts (Cody,
/// Waite). Above the range of floats infinity; below that of normal ones 0 with AVX2, which AVX-512 reaches gradually.
MONZA_INLINE Vec vexp(Vec x) {
  const Vec low = Vec::set(kScaleLow * 0.693147f), bounded = min(Vec::set(88.9f), max(low, x));
  const Vec e = vexp_bounded(bounded, min(Vec::set(kScaleHigh), round(bounded * Vec::set(1.44269504f))));
  return kScaleUnderflows ? e : if_less(x, low, Vec::zero(), e);
}

/// e^x for x <= 0, and 0 below -87.3: never a subnormal number, on which Intel's products take a hundred cycles.
MONZA_INLINE Vec vexp_negative(Vec x) {
  const Vec low = Vec::set(-87.3f), bounded = max(low, x);
  return if_less(x, low, Vec::zero(), vexp_bounded(bounded, round(bounded * Vec::set(1.44269504f))));
}

/// 1 / (1 + e^-x). Beyond -88.4 the power is infinite and the quotient exactly 0, so that x * sigmoid(x) is NaN at
/// minus infinity, as it is written.
MONZA_INLINE Vec vsigmoid(Vec x) {
  const Vec y = min(Vec::set(89.0f), max(Vec::set(-87.0f), Vec::zero() - x));
  return reciprocal_or_zero(Vec::set(1.0f) + vexp_bounded(y, round(y * Vec::set(1.44269504f))));
}

/// tanh: an odd polynomial below 0.4, where 1 - 2 / (e^2x + 1) would cancel, the formula elsewhere.
MONZA_INLINE Vec vtanh(Vec x) {
  const Vec a = abs(x);
  const Vec one = Vec::set(1.0f), twice = min(Vec::set(40.0f), a + a);
  const Vec far = one - Vec::set(2.0f) * reciprocal(vexp_bounded(twice, round(twice * Vec::set(1.44269504f))) + one);
  const Vec s = x * x;
  Vec p = Vec::set(-0.0088632355f);  // Taylor coefficients of tanh, to x^11
  p = fma(p, s, Vec::set(0.0218694885f));
  p = fma(p, s, Vec::set(-0.0539682540f));
  p = fma(p, s, Vec::set(0.1333333333f));
  p = fma(p, s, Vec::set(-0.3333333333f));
  const Vec near = fma(x * s, p, x);
  return if_less(a, Vec::set(0.4f), near, copy_sign(far, x));
}

/// erf: x P(x^2) / Q(x^2), fitted for the least relative error over |x| <= 3.92, beyond which erf rounds to 1; 2.4e-7
/// with the rounding of the evaluation.
MONZA_INLINE Vec verf(Vec x) {
  const Vec b = min(Vec::set(3.92f), max(Vec::set(-3.92f), x));
  const Vec s = b * b;
  Vec p = Vec::set(2.0501074687e-06f);
  p = fma(p, s, Vec::set(2.8487647069e-04f));
  p = fma(p, s, Vec::set(3.7653998006e-03f));
  p = fma(p, s, Vec::set(5.2748054266e-02f));
  p = fma(p, s, Vec::set(1.9040161371e-01f));
  p = fma(p, s, Vec::set(1.1283791065f));
  Vec q = Vec::set(3.8091595343e-05f);
  q = fma(q, s, Vec::set(1.1624802137e-03f));
  q = fma(q, s, Vec::set(1.4968784526e-02f));
  q = fma(q, s, Vec::set(1.1410707980e-01f));
  q = fma(q, s, Vec::set(5.0207179785e-01f));
  q = fma(q, s, Vec::set(1.0f));
  // Exactly 1 in the tails: GELU multiplies 1 + erf(x) by x there.
  return if_less(Vec::set(3.92f), abs(x), copy_sign(Vec::set(1.0f), x), b * p * reciprocal(q));
}

/// log of a normal x > 0, not of NaN or infinity: x = m 2^e with m in [sqrt 1/2, sqrt 2); 2 atanh((m - 1) / (m + 1)) by
/// its series.
MONZA_INLINE Vec vlog(Vec x) {
  Vec m = mantissa(x), e = exponent(x);
  const Vec big = Vec::set(1.41421356f);
  e = if_less(big, m, e + Vec::set(1.0f), e);
  m = if_less(big, m, m * Vec::set(0.5f), m);
  const Vec f = m - Vec::set(1.0f);
  const Vec z = f / (m + Vec::set(1.0f)), s = z * z;
  Vec p = Vec::set(2.0f / 11);
  p = fma(p, s, Vec::set(2.0f / 9));
  p = fma(p, s, Vec::set(2.0f / 7));
  p = fma(p, s, Vec::set(2.0f / 5));
  p = fma(p, s, Vec::set(2.0f / 3));
  p = fma(p * s, z, z + z);
  return fma(e, Vec::set(0.693147181f), p);
}

/// log on the whole line: denormals are scaled up first; 0 gives -infinity, less gives NaN.
MONZA_INLINE Vec vlog_any(Vec x) {
  const Vec least = Vec::set(1.17549435e-38f), zero = Vec::zero();
  const Vec scaled = if_less(x, least, x * Vec::set(8388608.0f), x);
  const Vec shift = if_less(x, least, Vec::set(-23.0f), zero);
  Vec y = fma(shift, Vec::set(0.693147181f), vlog(scaled));
  const Vec infinity = Vec::set(__builtin_inff());
  y = if_less(x, infinity, y, x);                          // infinity and NaN stay
  y = if_less(x, Vec::set(1.4e-45f), zero - infinity, y);  // zero, and what is below
  return if_less(x, zero, Vec::set(__builtin_nanf("")), y);
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|); the small term by log1p's first terms where 1 + e would round.
MONZA_INLINE Vec vsoftplus(Vec x) {
  const Vec e = vexp(Vec::zero() - abs(x));
  const Vec small = e * fma(e, fma(e, Vec::set(1.0f / 3), Vec::set(-0.5f)), Vec::set(1.0f));
  const Vec tail = if_less(e, Vec::set(0.01f), small, vlog(Vec::set(1.0f) + e));
  return max(Vec::zero(), x) + tail;
}

/// The Taylor series of e^x - 1 near zero, where the difference would cancel.
MONZA_INLINE Vec vexpm1_near(Vec x) {
  Vec p = Vec::set(1.0f / 5040);
  p = fma(p, x, Vec::set(1.0f / 720));
  p = fma(p, x, Vec::set(1.0f / 120));
  p = fma(p, x, Vec::set(1.0f / 24));
  p = fma(p, x, Vec::set(1.0f / 6));
  p = fma(p, x, Vec::set(0.5f));
  return fma(p * x, x, x);
}

/// e^x - 1 for x <= 0.
MONZA_INLINE Vec vexpm1(Vec x) {
  const Vec bounded = max(Vec::set(-87.0f), x);
  const Vec e = vexp_bounded(bounded, round(bounded * Vec::set(1.44269504f)));
  return if_less(Vec::set(-0.4f), x, vexpm1_near(x), e - Vec::set(1.0f));
}

/// e^x - 1.
MONZA_INLINE Vec vexpm1_any(Vec x) { return if_less(abs(x), Vec::set(0.4f), vexpm1_near(x), vexp(x) - Vec::set(1.0f)); }

/// The activation of a vector; `slope` is read by prelu only. The switch is on a value that is the same for a whole
/// tensor, so callers put it outside of their loops by way of with_activation.
template <ActivationKind kKind>
MONZA_INLINE Vec vactivate(Vec x, Vec alpha, Vec beta, Vec slope) {
  const Vec zero = Vec::zero(), one = Vec::set(1.0f);
  if constexpr (kKind == ActivationKind::relu) return max(zero, x);
  if constexpr (kKind == ActivationKind::clip) return min(beta, max(alpha, x));
  if constexpr (kKind == ActivationKind::silu) return x * vsigmoid(x);
  if constexpr (kKind == ActivationKind::hardswish)
    return x * min(one, max(zero, fma(x, Vec::set(1.0f / 6), Vec::set(0.5f))));
  if constexpr (kKind == ActivationKind::gelu_erf) return x * Vec::set(0.5f) * (one + verf(x * Vec::set(0.707106781f)));
  if constexpr (kKind == ActivationKind::gelu_tanh)  // (1 + tanh u) / 2 = sigmoid(2 u)
    return x * vsigmoid(Vec::set(1.5957691216f) * fma(x * x * x, Vec::set(0.044715f), x));
  if constexpr (kKind == ActivationKind::sigmoid) return vsigmoid(x);
  if constexpr (kKind == ActivationKind::leaky_relu) return if_negative(x, x * alpha);
  if constexpr (kKind == ActivationKind::prelu) return if_negative(x, x * slope);
  if constexpr (kKind == ActivationKind::tanh) return vtanh(x);
  if constexpr (kKind == ActivationKind::elu) return if_negative(x, alpha * vexpm1(x));
  if constexpr (kKind == ActivationKind::hard_sigmoid) return min(one, max(zero, fma(x, alpha, beta)));
  if constexpr (kKind == ActivationKind::softplus) return vsoftplus(x);
  if constexpr (kKind == ActivationKind::mish) return x * vtanh(vsoftplus(x));
  return x;
}

/// Calls f with an object whose operator()(Vec x, Vec slope) is the activation: one instance of the loop per kind.
template <typename F>
MONZA_INLINE void with_activation(const Activation& act, F&& f) {
  const Vec alpha = Vec::set(act.alpha), beta = Vec::set(act.beta);
#define MONZA_CASE(kind)                                                                                      \
  case ActivationKind::kind:                                                                                  \
    f([&](Vec x, Vec slope)                                                                                   \
          __attribute__((always_inline)) { return vactivate<ActivationKind::kind>(x, alpha, beta, slope); }); \
    break;
  switch (act.kind) {
    MONZA_CASE(none)
    MONZA_CASE(relu)
    MONZA_CASE(clip)
    MONZA_CASE(silu)
    MONZA_CASE(hardswish)
    MONZA_CASE(gelu_erf)
    MONZA_CASE(gelu_tanh)
    MONZA_CASE(sigmoid)
    MONZA_CASE(leaky_relu)
    MONZA_CASE(prelu)
    MONZA_CASE(tanh)
    MONZA_CASE(elu)
    MONZA_CASE(hard_sigmoid)
    MONZA_CASE(softplus)
    MONZA_CASE(mish)
  }
#undef MONZA_CASE
}

}  // namespace
}  // namespace monza::ops
