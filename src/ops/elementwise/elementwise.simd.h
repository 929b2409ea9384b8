// Elementwise f32 kernels, written once over Vec. Cheap functions are bound by memory (8 to 12 bytes an element);
// the transcendental ones take 10 to 30 FMAs a vector and stay near that bound outside of the L2 cache.
#pragma once

#include "ops/elementwise/elementwise.params.h"
#include "ops/shared/activation.simd.h"
#include "simd/lanes.h"
#include "simd/walk.h"

extern "C" {
float powf(float, float) noexcept;
float sinf(float) noexcept;
float cosf(float) noexcept;
float tanf(float) noexcept;
float fmodf(float, float) noexcept;
}

namespace monza::ops {
namespace {

#if defined(__AVX512F__)
MONZA_INLINE Vec vsqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
MONZA_INLINE Vec vfloor(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
MONZA_INLINE Vec vceil(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
#else
MONZA_INLINE Vec vsqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
MONZA_INLINE Vec vfloor(Vec a) { return {_mm256_floor_ps(a.v)}; }
MONZA_INLINE Vec vceil(Vec a) { return {_mm256_ceil_ps(a.v)}; }
#endif

/// Lanes that f computes one by one, for what no short polynomial gives.
__attribute__((noinline)) Vec lanewise(Vec x, float (*f)(float)) {
  float lanes[Vec::kWidth];
  x.store(lanes);
  for (float& lane : lanes) lane = f(lane);
  return Vec::load(lanes);
}

/// Angles up to here are reduced exactly enough in three parts of pi/2; those beyond go lane by lane.
constexpr float kLargestAngle = 65536.0f;
MONZA_INLINE bool any_beyond(Vec x) {  // infinities and NaN are, too
  return lane_max(if_less(abs(x), Vec::set(kLargestAngle), Vec::zero(), Vec::set(1.0f))) > 0;
}

/// x - n pi/2 in [-pi/4, pi/4] (Cody and Waite) with the sine and cosine of it, and n modulo 4. Polynomials are
/// Cephes': 2e-7 of the largest value.
struct Angle {
  Vec sine, cosine, quarter;
};
MONZA_INLINE Angle vangle(Vec x) {
  const Vec n = round(x * Vec::set(0.63661977236758134f));
  Vec r = fnma(n, Vec::set(1.57079637050628662109375f), x);
  r = fnma(n, Vec::set(-4.37113900018624283e-8f), r);
  r = fnma(n, Vec::set(-1.71512489881565e-15f), r);
  const Vec z = r * r;
  Vec s = fma(z, Vec::set(-1.9515295891e-4f), Vec::set(8.3321608736e-3f));
  s = fma(s, z, Vec::set(-1.6666654611e-1f));
  Vec c = fma(z, Vec::set(2.443315711809948e-5f), Vec::set(-1.388731625493765e-3f));
  c = fma(c, z, Vec::set(4.166664568298827e-2f));
  Angle a;
  a.sine = fma(s * z, r, r);
  a.cosine = fma(c * z, z, fma(z, Vec::set(-0.5f), Vec::set(1.0f)));
  a.quarter = n - Vec::set(4.0f) * vfloor(n * Vec::set(0.25f));
  return a;
}
/// The sine of the angle whose quarter of the circle is `quarter`: 0 to 3.
MONZA_INLINE Vec sine_in(const Angle& a, Vec quarter) {
  const Vec one = Vec::set(1.0f), two = Vec::set(2.0f), half = quarter - two * vfloor(quarter * Vec::set(0.5f));
  const Vec v = if_less(half, Vec::set(0.5f), a.sine, a.cosine);
  return if_less(quarter, Vec::set(1.5f), v, v * (one - two));
}
MONZA_INLINE Vec vsin(Vec x) {
  if (any_beyond(x)) return lanewise(x, sinf);
  const Angle a = vangle(x);
  return sine_in(a, a.quarter);
}
MONZA_INLINE Vec vcos(Vec x) {
  if (any_beyond(x)) return lanewise(x, cosf);
  const Angle a = vangle(x);
  const Vec next = a.quarter + Vec::set(1.0f);
  return sine_in(a, if_less(next, Vec::set(3.5f), next, Vec::zero()));
}

MONZA_INLINE Vec vtan(Vec x) {
  if (any_beyond(x)) return lanewise(x, tanf);
  const Angle a = vangle(x);
  const Vec two = Vec::set(2.0f), half = a.quarter - two * vfloor(a.quarter * Vec::set(0.5f));
  const Vec even = Vec::set(0.5f);
  return if_less(half, even, a.sine, a.cosine * Vec::set(-1.0f)) / if_less(half, even, a.cosine, a.sine);
}

/// The arc tangent by Cephes' polynomial on [0, tan(pi/8)], reached by 1/x and (x - 1)/(x + 1).
MONZA_INLINE Vec vatan(Vec x) {
  const Vec a = abs(x), one = Vec::set(1.0f), high = Vec::set(2.414213562373095f), low = Vec::set(0.4142135623730950f);
  const Vec middle = (a - one) / (a + one);
  Vec t = if_less(low, a, middle, a), offset = if_less(low, a, Vec::set(0.785398163397448f), Vec::zero());
  t = if_less(high, a, Vec::set(-1.0f) / a, t);
  offset = if_less(high, a, Vec::set(1.570796326794897f), offset);
  const Vec z = t * t;
  Vec y = fma(z, Vec::set(8.05374449538e-2f), Vec::set(-1.38776856032e-1f));
  y = fma(y, z, Vec::set(1.99777106478e-1f));
  y = fma(y, z, Vec::set(-3.33329491539e-1f));
  return copy_sign(offset + fma(y * z, t, t), x);
}

/// The arc sine by Cephes' polynomial on [0, 1/2]; above, pi/2 - 2 asin(sqrt((1 - x) / 2)). NaN beyond 1.
MONZA_INLINE Vec vasin_of(Vec a) {
  const Vec half = Vec::set(0.5f), folded = half * (Vec::set(1.0f) - a);
  const Vec z = if_less(half, a, folded, a * a), t = if_less(half, a, vsqrt(folded), a);
  Vec y = fma(z, Vec::set(4.2163199048e-2f), Vec::set(2.4181311049e-2f));
  y = fma(y, z, Vec::set(4.5470025998e-2f));
  y = fma(y, z, Vec::set(7.4953002686e-2f));
  y = fma(y, z, Vec::set(1.6666752422e-1f));
  const Vec v = fma(y * z, t, t);
  return if_less(half, a, Vec::set(1.570796326794897f) - (v + v), v);
}
MONZA_INLINE Vec vasin(Vec x) { return copy_sign(vasin_of(abs(x)), x); }
MONZA_INLINE Vec vacos(Vec x) {
  const Vec half = Vec::set(0.5f), a = abs(x), folded = vsqrt(half * (Vec::set(1.0f) - a));
  const Vec small = vasin_of(if_less(half, a, folded, Vec::zero()));
  const Vec far = small + small;  // of |x| above 1/2
  const Vec outer = if_less(x, Vec::zero(), Vec::set(3.14159265358979f) - far, far);
  return if_less(half, a, outer, Vec::set(1.570796326794897f) - vasin(x)) + (x - x);
}

/// e^a / 2 of a >= 0 as a product of two halves' exponentials: e^a itself would overflow earlier than what is made of
/// it.
MONZA_INLINE Vec half_exp(Vec a) {
  const Vec h = vexp(a * Vec::set(0.5f));
  return (h * Vec::set(0.5f)) * h;
}
/// Cephes' polynomial up to 1, above the difference of exponentials.
MONZA_INLINE Vec vsinh(Vec x) {
  const Vec a = abs(x), one = Vec::set(1.0f), z = x * x;
  Vec y = fma(z, Vec::set(2.03721912945e-4f), Vec::set(8.33028376239e-3f));
  y = fma(y, z, Vec::set(1.66667160211e-1f));
  const Vec half = half_exp(a);
  return if_less(one, a, copy_sign(half - Vec::set(0.25f) / half, x), fma(y * z, x, x));
}
MONZA_INLINE Vec vcosh(Vec x) {
  const Vec half = half_exp(abs(x));
  return half + Vec::set(0.25f) / half;
}

template <UnaryKind kKind>
MONZA_INLINE Vec vunary(Vec x, Vec alpha, Vec beta) {
  using K = UnaryKind;
  const Vec zero = Vec::zero(), one = Vec::set(1.0f);
  if constexpr (kKind == K::abs) return abs(x);
  if constexpr (kKind == K::neg) return x * Vec::set(-1.0f);
  if constexpr (kKind == K::ceil) return vceil(x);
  if constexpr (kKind == K::floor) return vfloor(x);
  if constexpr (kKind == K::round) return round(x);
  if constexpr (kKind == K::sqrt) return vsqrt(x);
  if constexpr (kKind == K::reciprocal) return one / x;
  if constexpr (kKind == K::exp) return vexp(x);
  if constexpr (kKind == K::log) return vlog_any(x);
  if constexpr (kKind == K::sin) return vsin(x);
  if constexpr (kKind == K::cos) return vcos(x);
  if constexpr (kKind == K::tan) return vtan(x);
  if constexpr (kKind == K::asin) return vasin(x);
  if constexpr (kKind == K::acos) return vacos(x);
  if constexpr (kKind == K::atan) return vatan(x);
  if constexpr (kKind == K::sinh) return vsinh(x);
  if constexpr (kKind == K::cosh) return vcosh(x);
  if constexpr (kKind == K::sign) return if_less(x, zero, Vec::set(-1.0f), if_less(zero, x, one, x + zero));
  if constexpr (kKind == K::tanh) return vtanh(x);
  if constexpr (kKind == K::erf) return verf(x);
  if constexpr (kKind == K::relu) return max(zero, x);
  if constexpr (kKind == K::leaky_relu) return if_negative(x, x * alpha);
  if constexpr (kKind == K::elu) return if_negative(x, alpha * vexpm1(x));
  if constexpr (kKind == K::selu) return beta * if_negative(x, alpha * vexpm1(x));
  if constexpr (kKind == K::celu) return if_negative(x, alpha * vexpm1_any(x / alpha));
  if constexpr (kKind == K::sigmoid) return vsigmoid(x);
  if constexpr (kKind == K::hard_sigmoid) return min(one, max(zero, fma(x, alpha, beta)));
  if constexpr (kKind == K::hardswish) return vactivate<ActivationKind::hardswish>(x, zero, zero, zero);
  if constexpr (kKind == K::swish) return x * vsigmoid(x * alpha);
  if constexpr (kKind == K::gelu_erf) return vactivate<ActivationKind::gelu_erf>(x, zero, zero, zero);
  if constexpr (kKind == K::gelu_tanh) return vactivate<ActivationKind::gelu_tanh>(x, zero, zero, zero);
  if constexpr (kKind == K::mish) return x * vtanh(vsoftplus(x));
  if constexpr (kKind == K::softplus) return vsoftplus(x);
  if constexpr (kKind == K::softsign) return x / (one + abs(x));
  if constexpr (kKind == K::thresholded_relu) return if_less(alpha, x, x, zero);
  return x;
}

template <UnaryKind kKind>
__attribute__((noinline)) Status unary_of(const KernelContext& c) {
  const auto& p = c.params_as<UnaryParams>();
  const Vec alpha = Vec::set(p.alpha), beta = Vec::set(p.beta);
  const TensorView* in[] = {&c.in[0]};
  pointwise<1>(*c.parallel, c.out[0], in,
               [=](Vec x) __attribute__((always_inline)) { return vunary<kKind>(x, alpha, beta); });
  return {};
}

Status run_unary(const KernelContext& c) noexcept {
#define MONZA_CASE(kind) \
  case UnaryKind::kind: return unary_of<UnaryKind::kind>(c);
  switch (c.params_as<UnaryParams>().kind) {
    MONZA_CASE(abs)
    MONZA_CASE(neg)
    MONZA_CASE(ceil)
    MONZA_CASE(floor)
    MONZA_CASE(round)
    MONZA_CASE(sqrt)
    MONZA_CASE(reciprocal)
    MONZA_CASE(exp)
    MONZA_CASE(log)
    MONZA_CASE(sin)
    MONZA_CASE(cos)
    MONZA_CASE(tan)
    MONZA_CASE(asin)
    MONZA_CASE(acos)
    MONZA_CASE(atan)
    MONZA_CASE(sinh)
    MONZA_CASE(cosh)
    MONZA_CASE(sign)
    MONZA_CASE(tanh)
    MONZA_CASE(erf)
    MONZA_CASE(relu)
    MONZA_CASE(leaky_relu)
    MONZA_CASE(elu)
    MONZA_CASE(selu)
    MONZA_CASE(celu)
    MONZA_CASE(sigmoid)
    MONZA_CASE(hard_sigmoid)
    MONZA_CASE(hardswish)
    MONZA_CASE(swish)
    MONZA_CASE(gelu_erf)
    MONZA_CASE(gelu_tanh)
    MONZA_CASE(mish)
    MONZA_CASE(softplus)
    MONZA_CASE(softsign)
    MONZA_CASE(thresholded_relu)
    default: return {StatusCode::internal, "elementwise: no vector form of this function"};
  }
#undef MONZA_CASE
}

/// a - trunc(a / b) b, exact: the quotient, rounded, is off by one at most, which shows in the sign of the remainder.
/// Large quotients, by zero, and of or by infinities lane by lane.
MONZA_INLINE Vec vfmod(Vec a, Vec b) {
  const Vec quotient = a / b, largest = Vec::set(4194304.0f), zero = Vec::zero(), one = Vec::set(1.0f);
  const Vec near = if_less(abs(quotient), largest, if_less(abs(b), Vec::set(__builtin_inff()), zero, one), one);
  if (lane_max(near) > 0) {
    float x[Vec::kWidth], y[Vec::kWidth];
    a.store(x);
    b.store(y);
    for (int i = 0; i < Vec::kWidth; ++i) x[i] = fmodf(x[i], y[i]);
    return Vec::load(x);
  }
  const Vec size = abs(a), by = abs(b), rest = fnma(vfloor(abs(quotient)), by, size);
  return copy_sign(if_less(rest, zero, rest + by, if_less(rest, by, rest, rest - by)), a);
}

template <BinaryKind kKind>
MONZA_INLINE Vec vbinary(Vec a, Vec b) {
  using K = BinaryKind;
  if constexpr (kKind == K::add) return a + b;
  if constexpr (kKind == K::sub) return a - b;
  if constexpr (kKind == K::mul) return a * b;
  if constexpr (kKind == K::div) return a / b;
  if constexpr (kKind == K::min) return keep_nan(a, min(a, b));
  if constexpr (kKind == K::max) return keep_nan(a, max(a, b));
  if constexpr (kKind == K::prelu) return if_negative(a, a * b);
  if constexpr (kKind == K::fmod) return vfmod(a, b);
  return a;
}

template <BinaryKind kKind>
__attribute__((noinline)) Status binary_of(const KernelContext& c) {
  const TensorView* in[] = {&c.in[0], &c.in[1]};
  pointwise<2>(*c.parallel, c.out[0], in,
               [](Vec a, Vec b) __attribute__((always_inline)) { return vbinary<kKind>(a, b); });
  return {};
}

Status run_binary(const KernelContext& c) noexcept {
#define MONZA_CASE(kind) \
  case BinaryKind::kind: return binary_of<BinaryKind::kind>(c);
  switch (c.params_as<BinaryParams>().kind) {
    MONZA_CASE(add)
    MONZA_CASE(sub)
    MONZA_CASE(mul)
    MONZA_CASE(div)
    MONZA_CASE(min)
    MONZA_CASE(max)
    MONZA_CASE(prelu)
    MONZA_CASE(fmod)
    default: return {StatusCode::internal, "elementwise: no vector form of this function"};
  }
#undef MONZA_CASE
}

/// x to the power of one number: small whole powers by multiplication, as exact as powf to half an ulp each.
Status run_pow(const KernelContext& c) noexcept {
  const float e = c.in[1].as<float>()[0];
  const TensorView* in[] = {&c.in[0]};
  const auto run = [&](auto f) __attribute__((always_inline)) {
    pointwise<1>(*c.parallel, c.out[0], in, f);
    return Status();
  };
  if (e == 2) return run([](Vec x) __attribute__((always_inline)) { return x * x; });
  if (e == 3) return run([](Vec x) __attribute__((always_inline)) { return x * x * x; });
  if (e == 1) return run([](Vec x) __attribute__((always_inline)) { return x; });
  if (e == -1) return run([](Vec x) __attribute__((always_inline)) { return Vec::set(1.0f) / x; });
  if (e == 0.5f)
    return run([](Vec x) __attribute__((always_inline)) {  // unlike the root: -0 gives 0, and -infinity infinity
      const Vec lowest = Vec::set(-__FLT_MAX__), infinity = Vec::set(__builtin_inff());
      return vsqrt(if_less(x, lowest, infinity, x + Vec::zero()));
    });
  return run([e](Vec x) {
    float lanes[Vec::kWidth];
    x.store(lanes);
    for (float& lane : lanes) lane = powf(lane, e);
    return Vec::load(lanes);
  });
}

Status run_clip(const KernelContext& c) noexcept {
  // An absent bound is the type's last finite number.
  const Vec low = Vec::set(c.has_input(1) ? c.in[1].as<float>()[0] : -__FLT_MAX__);
  const Vec high = Vec::set(c.has_input(2) ? c.in[2].as<float>()[0] : __FLT_MAX__);
  const TensorView* in[] = {&c.in[0]};
  if (any_nan(low) || any_nan(high)) {
    const Vec nan = low + high;
    pointwise<1>(*c.parallel, c.out[0], in, [=](Vec) __attribute__((always_inline)) { return nan; });
    return {};
  }
  pointwise<1>(*c.parallel, c.out[0], in, [=](Vec x) __attribute__((always_inline)) { return min(high, max(low, x)); });
  return {};
}

// --- what they take
// -----------------------------------------------------------------------------------------------------

Refusal all_f32(const KernelQuery& q) {
  for (int i = 0; i < q.in_count; ++i)
    if (q.in[i].present() && q.in[i].dtype != DType::f32) return "an operand is not f32";
  return nullptr;
}
Refusal accepts_f32(const KernelQuery& q) noexcept { return all_f32(q); }
/// For uniform ports: nothing broadcasts.
Refusal accepts_uniform(const KernelQuery& q) noexcept {
  if (Refusal r = all_f32(q)) return r;
  for (int i = 0; i < q.in_count; ++i)
    if (!(q.in[i].shape == q.out[0].shape)) return "an operand is broadcast";
  return nullptr;
}
Refusal accepts_pow(const KernelQuery& q) noexcept {
  if (Refusal r = all_f32(q)) return r;
  if (q.input(1).shape.numel() != 1) return "the exponent is not one number";
  return q.input(0).shape.rank < q.input(1).shape.rank ? "the exponent has more axes than the base" : nullptr;
}

/// Over operands of one layout, whichever: nothing broadcasts.
consteval Kernel unary_uniform_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::uniform},
          .out{Port::uniform},
          .accepts = accepts_uniform,
          .run = run_unary,
          .in_place_inputs = 1};
}
consteval Kernel binary_uniform_kernel(const char* name, const char* op, Isa needs) {
  Kernel k = unary_uniform_kernel(name, op, needs);
  k.run = run_binary;
  k.in_place_inputs = 3;
  return k;
}
/// Over views with any strides.
consteval Kernel unary_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::strided},
          .out{Port::strided},
          .accepts = accepts_f32,
          .run = run_unary,
          .in_place_inputs = 1};
}
consteval Kernel binary_kernel(const char* name, const char* op, Isa needs) {
  Kernel k = unary_kernel(name, op, needs);
  k.run = run_binary;
  k.in_place_inputs = 3;
  return k;
}
Refusal accepts_mod(const KernelQuery& q) noexcept {
  if (Refusal r = all_f32(q)) return r;
  return static_cast<const BinaryParams*>(q.params)->kind == BinaryKind::fmod ? nullptr : "the sign is the divisor's";
}
consteval Kernel mod_kernel(const char* name, Isa needs) {
  Kernel k = binary_kernel(name, "Mod", needs);
  k.accepts = accepts_mod;
  return k;
}
consteval Kernel clip_kernel(const char* name, Isa needs) {
  Kernel k = unary_kernel(name, "Clip", needs);
  k.run = run_clip;
  return k;
}
consteval Kernel pow_kernel(const char* name, Isa needs) {
  Kernel k = unary_kernel(name, "Pow", needs);
  k.accepts = accepts_pow;
  k.run = run_pow;
  return k;
}

}  // namespace
}  // namespace monza::ops
