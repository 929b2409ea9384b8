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

// clang-format off
#define MONZA_UNARY_KINDS(X)                                                                      \
  X(abs) X(neg) X(ceil) X(floor) X(round) X(sqrt) X(reciprocal) X(exp) X(log) X(tanh) X(erf)      \
  X(relu) X(leaky_relu) X(elu) X(selu) X(celu) X(sigmoid) X(hard_sigmoid) X(hardswish) X(swish)   \
  X(gelu_erf) X(gelu_tanh) X(mish) X(softplus) X(softsign) X(thresholded_relu)
// clang-format on

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
    MONZA_UNARY_KINDS(MONZA_CASE)
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

}  // namespace

// Kernels of an instruction set: MONZA_POINTWISE(symbol suffix, needed extensions).
#define MONZA_POINTWISE_KERNEL(symbol, suffix, op_name, isa, function, in_place) \
  extern const Kernel symbol##_uniform_##suffix, symbol##_##suffix;              \
  const Kernel symbol##_uniform_##suffix{.name = #symbol "_uniform_" #suffix,    \
                                         .op = op_name,                          \
                                         .needs = isa,                           \
                                         .in{Port::uniform},                     \
                                         .out{Port::uniform},                    \
                                         .accepts = accepts_uniform,             \
                                         .run = function,                        \
                                         .in_place_inputs = in_place};           \
  const Kernel symbol##_##suffix{.name = #symbol "_" #suffix,                    \
                                 .op = op_name,                                  \
                                 .needs = isa,                                   \
                                 .in{Port::strided},                             \
                                 .out{Port::strided},                            \
                                 .accepts = accepts_f32,                         \
                                 .run = function,                                \
                                 .in_place_inputs = in_place};
#define MONZA_POINTWISE(suffix, isa)                                                     \
  MONZA_POINTWISE_KERNEL(add, suffix, "Add", isa, run_binary, 3)                         \
  MONZA_POINTWISE_KERNEL(sub, suffix, "Sub", isa, run_binary, 3)                         \
  MONZA_POINTWISE_KERNEL(mul, suffix, "Mul", isa, run_binary, 3)                         \
  MONZA_POINTWISE_KERNEL(div, suffix, "Div", isa, run_binary, 3)                         \
  MONZA_POINTWISE_KERNEL(min, suffix, "Min", isa, run_binary, 3)                         \
  MONZA_POINTWISE_KERNEL(max, suffix, "Max", isa, run_binary, 3)                         \
  MONZA_POINTWISE_KERNEL(prelu, suffix, "PRelu", isa, run_binary, 3)                     \
  MONZA_POINTWISE_KERNEL(abs, suffix, "Abs", isa, run_unary, 1)                          \
  MONZA_POINTWISE_KERNEL(neg, suffix, "Neg", isa, run_unary, 1)                          \
  MONZA_POINTWISE_KERNEL(ceil, suffix, "Ceil", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(floor, suffix, "Floor", isa, run_unary, 1)                      \
  MONZA_POINTWISE_KERNEL(round, suffix, "Round", isa, run_unary, 1)                      \
  MONZA_POINTWISE_KERNEL(sqrt, suffix, "Sqrt", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(reciprocal, suffix, "Reciprocal", isa, run_unary, 1)            \
  MONZA_POINTWISE_KERNEL(exp, suffix, "Exp", isa, run_unary, 1)                          \
  MONZA_POINTWISE_KERNEL(log, suffix, "Log", isa, run_unary, 1)                          \
  MONZA_POINTWISE_KERNEL(tanh, suffix, "Tanh", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(erf, suffix, "Erf", isa, run_unary, 1)                          \
  MONZA_POINTWISE_KERNEL(relu, suffix, "Relu", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(leaky_relu, suffix, "LeakyRelu", isa, run_unary, 1)             \
  MONZA_POINTWISE_KERNEL(elu, suffix, "Elu", isa, run_unary, 1)                          \
  MONZA_POINTWISE_KERNEL(selu, suffix, "Selu", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(celu, suffix, "Celu", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(sigmoid, suffix, "Sigmoid", isa, run_unary, 1)                  \
  MONZA_POINTWISE_KERNEL(hard_sigmoid, suffix, "HardSigmoid", isa, run_unary, 1)         \
  MONZA_POINTWISE_KERNEL(hardswish, suffix, "HardSwish", isa, run_unary, 1)              \
  MONZA_POINTWISE_KERNEL(swish, suffix, "Swish", isa, run_unary, 1)                      \
  MONZA_POINTWISE_KERNEL(gelu, suffix, "Gelu", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(mish, suffix, "Mish", isa, run_unary, 1)                        \
  MONZA_POINTWISE_KERNEL(softplus, suffix, "Softplus", isa, run_unary, 1)                \
  MONZA_POINTWISE_KERNEL(softsign, suffix, "Softsign", isa, run_unary, 1)                \
  MONZA_POINTWISE_KERNEL(thresholded_relu, suffix, "ThresholdedRelu", isa, run_unary, 1) \
  extern const Kernel clip_##suffix, pow_##suffix;                                       \
  const Kernel clip_##suffix{.name = "clip_" #suffix,                                    \
                             .op = "Clip",                                               \
                             .needs = isa,                                               \
                             .in{Port::strided},                                         \
                             .out{Port::strided},                                        \
                             .accepts = accepts_f32,                                     \
                             .run = run_clip,                                            \
                             .in_place_inputs = 1};                                      \
  const Kernel pow_##suffix{.name = "pow_" #suffix,                                      \
                            .op = "Pow",                                                 \
                            .needs = isa,                                                \
                            .in{Port::strided},                                          \
                            .out{Port::strided},                                         \
                            .accepts = accepts_pow,                                      \
                            .run = run_pow,                                              \
                            .in_place_inputs = 1};

}  // namespace monza::ops
