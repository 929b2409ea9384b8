// Elementwise f32 kernels, written once over Vec. Cheap functions are bound by memory (8 to 12 bytes an element);
// the transcendental ones take 10 to 30 FMAs a vector and stay near that bound outside of the L2 cache.
#pragma once

#include "ops/elementwise/elementwise.params.h"
#include "ops/shared/activation.simd.h"
#include "simd/lanes.h"
#include "simd/walk.h"

extern "C" float powf(float, float) noexcept;

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
