// Elementwise kernels of plain types other than f32: comparisons, logic, integer arithmetic, Where, Cast. All are bound
// by memory, so their loops are plain C++ that the compiler's vectoriser takes (cmake/MonzaOps.cmake switches it on):
// each element is read and written once.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <type_traits>

#include "ops/elementwise/elementwise.params.h"
#include "simd/walk.h"
#include "tensor/dtype.h"

#if defined(__clang__)
#define MONZA_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#else
#define MONZA_VECTORIZE _Pragma("GCC ivdep")
#endif

namespace monza::ops {
namespace {

/// A boolean's byte: anything but 0 is true.
struct Bool {
  std::uint8_t byte;
};

// --- loops
// --------------------------------------------------------------------------------------------------------

/// o[i] = f(a[i], ...) for a run of n elements; `step` of the output, then of each input. An output may be an input.
template <typename Out, typename A, typename F>
MONZA_INLINE void plain_run(Out* o, const A* a, const std::int64_t* step, std::int64_t n, const F& f) {
  if (step[0] == 1 && step[1] == 1) {
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = f(a[i]);
    return;
  }
  const std::int64_t to = step[0], from = step[1];  // a store might change step[]
  for (std::int64_t i = 0; i < n; ++i) o[i * to] = f(a[i * from]);
}
template <typename Out, typename A, typename B, typename F>
MONZA_INLINE void plain_run(Out* o, const A* a, const B* b, const std::int64_t* step, std::int64_t n, const F& f) {
  if (step[0] == 1 && step[1] == 1 && step[2] == 1) {
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = f(a[i], b[i]);
  } else if (step[0] == 1 && step[1] == 1 && step[2] == 0) {
    const B fixed = b[0];
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = f(a[i], fixed);
  } else if (step[0] == 1 && step[1] == 0 && step[2] == 1) {
    const A fixed = a[0];
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = f(fixed, b[i]);
  } else {
    const std::int64_t to = step[0], from_a = step[1], from_b = step[2];
    for (std::int64_t i = 0; i < n; ++i) o[i * to] = f(a[i * from_a], b[i * from_b]);
  }
}
template <typename T>
MONZA_INLINE void plain_run(T* o, const std::uint8_t* c, const T* a, const T* b, const std::int64_t* step,
                            std::int64_t n) {
  if (step[0] == 1 && step[1] == 1 && step[2] == 1 && step[3] == 1) {
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = c[i] != 0 ? a[i] : b[i];
  } else if (step[0] == 1 && step[1] == 1 && step[2] == 1 && step[3] == 0) {
    const T fixed = b[0];
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = c[i] != 0 ? a[i] : fixed;
  } else if (step[0] == 1 && step[1] == 1 && step[2] == 0 && step[3] == 1) {
    const T fixed = a[0];
    MONZA_VECTORIZE
    for (std::int64_t i = 0; i < n; ++i) o[i] = c[i] != 0 ? fixed : b[i];
  } else {
    const std::int64_t to = step[0], from_c = step[1], from_a = step[2], from_b = step[3];
    for (std::int64_t i = 0; i < n; ++i) o[i * to] = c[i * from_c] != 0 ? a[i * from_a] : b[i * from_b];
  }
}

/// A function object over runs: f(offsets, steps, n).
using Run = void (*)(const void* f, const std::int64_t* at, const std::int64_t* step, std::int64_t n);

/// Calls run(f, offsets, steps, n) for all runs of the output, on all threads. The same for all functions, so that it
/// is compiled once for each N.
template <int N>
void each_run_any(const KernelContext& c, Run run, const void* f) {
  const TensorView* in[N];
  for (int k = 0; k < N; ++k) in[k] = &c.in[k];
  const Walk<N> walk(c.out[0], in);
  std::int64_t step[N + 1];
  for (int k = 0; k <= N; ++k) step[k] = walk.stride[k][walk.rank - 1];
  parallel_for(*c.parallel, (walk.count + kTaskElements - 1) / kTaskElements, [&](std::int64_t task, int) {
    const std::int64_t begin = task * kTaskElements;
    const std::int64_t end = begin + kTaskElements < walk.count ? begin + kTaskElements : walk.count;
    walk.range(begin, end, [&](const std::int64_t* at, std::int64_t n) { run(f, at, step, n); });
  });
}
template <int N, typename F>
MONZA_INLINE void each_run(const KernelContext& c, const F& run) {
  each_run_any<N>(
      c,
      [](const void* f, const std::int64_t* at, const std::int64_t* step, std::int64_t n) {
        (*static_cast<const F*>(f))(at, step, n);
      },
      &run);
}
template <typename Out, typename A, typename F>
__attribute__((noinline)) Status map(const KernelContext& c, const F& f) {
  each_run<1>(c, [&](const std::int64_t* at, const std::int64_t* step, std::int64_t n) {
    plain_run(c.out[0].as<Out>() + at[0], c.in[0].as<A>() + at[1], step, n, f);
  });
  return {};
}
template <typename Out, typename A, typename F>
__attribute__((noinline)) Status map2(const KernelContext& c, const F& f) {
  each_run<2>(c, [&](const std::int64_t* at, const std::int64_t* step, std::int64_t n) {
    plain_run(c.out[0].as<Out>() + at[0], c.in[0].as<A>() + at[1], c.in[1].as<A>() + at[2], step, n, f);
  });
  return {};
}

constexpr Status kNoForm{StatusCode::internal, "elementwise: no vector form for these types"};

// --- comparisons and tests
// ----------------------------------------------------------------------------------------

template <typename T>
Status compare(const KernelContext& c) {
  switch (c.params_as<BinaryParams>().kind) {
    case BinaryKind::equal: return map2<std::uint8_t, T>(c, [](T a, T b) -> std::uint8_t { return a == b; });
    case BinaryKind::less: return map2<std::uint8_t, T>(c, [](T a, T b) -> std::uint8_t { return a < b; });
    case BinaryKind::less_or_equal: return map2<std::uint8_t, T>(c, [](T a, T b) -> std::uint8_t { return a <= b; });
    case BinaryKind::greater: return map2<std::uint8_t, T>(c, [](T a, T b) -> std::uint8_t { return a > b; });
    case BinaryKind::greater_or_equal: return map2<std::uint8_t, T>(c, [](T a, T b) -> std::uint8_t { return a >= b; });
    default: return kNoForm;
  }
}
Status run_compare(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::f32: return compare<float>(c);
    case DType::i64: return compare<std::int64_t>(c);
    case DType::i32: return compare<std::int32_t>(c);
    case DType::u8: return compare<std::uint8_t>(c);
    default: return kNoForm;
  }
}
Refusal accepts_compare(const KernelQuery& q) noexcept {
  const DType t = q.in[0].dtype;
  return t == DType::f32 || t == DType::i64 || t == DType::i32 || t == DType::u8 ? nullptr
                                                                                 : "compares f32, i64, i32 and u8";
}

Status run_test(const KernelContext& c) noexcept {
  const auto& p = c.params_as<UnaryParams>();
  if (p.kind == UnaryKind::is_nan) return map<std::uint8_t, float>(c, [](float a) -> std::uint8_t { return a != a; });
  const std::uint8_t low = p.alpha != 0, high = p.beta != 0;
  return map<std::uint8_t, float>(c, [low, high](float a) -> std::uint8_t {
    return (low & (a == -__builtin_inff())) | (high & (a == __builtin_inff()));
  });
}
Refusal accepts_test(const KernelQuery& q) noexcept { return q.in[0].dtype == DType::f32 ? nullptr : "takes f32"; }

// --- logic
// --------------------------------------------------------------------------------------------------------

Status run_logic(const KernelContext& c) noexcept {
  using B = std::uint8_t;
  switch (c.params_as<BinaryParams>().kind) {
    case BinaryKind::logical_and: return map2<B, B>(c, [](B a, B b) -> B { return (a != 0) & (b != 0); });
    case BinaryKind::logical_or: return map2<B, B>(c, [](B a, B b) -> B { return (a != 0) | (b != 0); });
    case BinaryKind::logical_xor: return map2<B, B>(c, [](B a, B b) -> B { return (a != 0) ^ (b != 0); });
    default: return kNoForm;
  }
}
Status run_not(const KernelContext& c) noexcept {
  return map<std::uint8_t, std::uint8_t>(c, [](std::uint8_t a) -> std::uint8_t { return a == 0; });
}
Refusal accepts_logic(const KernelQuery& q) noexcept {
  return q.in[0].dtype == DType::boolean ? nullptr : "takes booleans";
}

// --- integer arithmetic
// -------------------------------------------------------------------------------------------

/// Sums and products wrap.
template <typename T>
Status arithmetic(const KernelContext& c) {
  using U = std::make_unsigned_t<T>;
  switch (c.params_as<BinaryParams>().kind) {
    case BinaryKind::add: return map2<T, T>(c, [](T a, T b) { return static_cast<T>(U(a) + U(b)); });
    case BinaryKind::sub: return map2<T, T>(c, [](T a, T b) { return static_cast<T>(U(a) - U(b)); });
    case BinaryKind::mul: return map2<T, T>(c, [](T a, T b) { return static_cast<T>(U(a) * U(b)); });
    case BinaryKind::min: return map2<T, T>(c, [](T a, T b) { return b < a ? b : a; });
    case BinaryKind::max: return map2<T, T>(c, [](T a, T b) { return b > a ? b : a; });
    default: return kNoForm;
  }
}
Status run_arithmetic(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::i64: return arithmetic<std::int64_t>(c);
    case DType::i32: return arithmetic<std::int32_t>(c);
    default: return kNoForm;
  }
}
Refusal accepts_arithmetic(const KernelQuery& q) noexcept {
  return q.in[0].dtype == DType::i64 || q.in[0].dtype == DType::i32 ? nullptr : "takes i64 and i32";
}

/// Division takes several times as long in 64 bits: operands that fit 32 do it there. By zero gives 0, as the lowest by
/// -1 does.
template <typename T, bool kSignOfDivisor>
MONZA_INLINE T modulo(T a, T b) {
  if (b == 0 || b == T(-1)) return 0;
  T rest;
  if constexpr (sizeof(T) == 8) {
    const bool small = a == static_cast<std::int32_t>(a) && b == static_cast<std::int32_t>(b);
    rest = small ? T(static_cast<std::int32_t>(a) % static_cast<std::int32_t>(b)) : a % b;
  } else {
    rest = a % b;
  }
  return kSignOfDivisor && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
template <typename T>
Status modulo_of(const KernelContext& c) {
  if (c.params_as<BinaryParams>().kind == BinaryKind::fmod)
    return map2<T, T>(c, [](T a, T b) { return modulo<T, false>(a, b); });
  return map2<T, T>(c, [](T a, T b) { return modulo<T, true>(a, b); });
}
Status run_modulo(const KernelContext& c) noexcept {
  return c.in[0].dtype == DType::i64 ? modulo_of<std::int64_t>(c) : modulo_of<std::int32_t>(c);
}

// --- Where
// --------------------------------------------------------------------------------------------------------

template <typename T>
__attribute__((noinline)) Status where_of(const KernelContext& c) {
  each_run<3>(c, [&](const std::int64_t* at, const std::int64_t* step, std::int64_t n) {
    plain_run(c.out[0].as<T>() + at[0], c.in[0].as<std::uint8_t>() + at[1], c.in[1].as<T>() + at[2],
              c.in[2].as<T>() + at[3], step, n);
  });
  return {};
}
Status run_where(const KernelContext& c) noexcept {
  switch (dtype_bits(c.out[0].dtype)) {
    case 8: return where_of<std::uint8_t>(c);
    case 16: return where_of<std::uint16_t>(c);
    case 32: return where_of<std::uint32_t>(c);
    case 64: return where_of<std::uint64_t>(c);
    default: return kNoForm;
  }
}
Refusal accepts_where(const KernelQuery& q) noexcept {
  const int bits = dtype_bits(q.out[0].dtype);
  return bits == 8 || bits == 16 || bits == 32 || bits == 64 ? nullptr : "moves elements of 1, 2, 4 and 8 bytes";
}

// --- Cast
// ---------------------------------------------------------------------------------------------------------

/// As the reference: floats are truncated to 64 bits, or to 32 for what has no more, and then to the type; what does
/// not fit, and NaN, becomes the lowest integer, as the processor does it.
template <typename To, typename From>
MONZA_INLINE To converted(From v) {
  if constexpr (std::is_same_v<From, Bool> && std::is_same_v<To, Bool>) {
    return {static_cast<std::uint8_t>(v.byte != 0)};
  } else if constexpr (std::is_same_v<From, Bool>) {
    return v.byte != 0 ? To(1) : To(0);
  } else if constexpr (std::is_same_v<To, Bool>) {
    return {static_cast<std::uint8_t>(v != 0)};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if constexpr (sizeof(To) == 8) {
      if constexpr (sizeof(From) == 4) return _mm_cvttss_si64(_mm_set_ss(v));
      else return _mm_cvttsd_si64(_mm_set_sd(v));
    } else {
      if constexpr (sizeof(From) == 4) return static_cast<To>(_mm_cvttss_si32(_mm_set_ss(v)));
      else return static_cast<To>(_mm_cvttsd_si32(_mm_set_sd(v)));
    }
  } else {
    return static_cast<To>(v);
  }
}

/// Contiguous f32 to i32, and f16 both ways: the conversions that have an instruction for a whole vector.
MONZA_INLINE std::int64_t cast_vectors(const float* a, std::int32_t* o, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(o + i), _mm256_cvttps_epi32(_mm256_loadu_ps(a + i)));
  return i;
}
/// The low bytes of 32-bit lanes, as a narrowing of one number gives them.
MONZA_INLINE __m128i low_bytes(__m256i a, __m256i b) {
  const __m256i low = _mm256_set1_epi32(0xff);
  const __m256i words = _mm256_packus_epi32(_mm256_and_si256(a, low), _mm256_and_si256(b, low));  // by halves
  const __m256i bytes = _mm256_packus_epi16(words, words);
  return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5)));
}
MONZA_INLINE std::int64_t cast_vectors(const float* a, std::uint8_t* o, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(o + i), low_bytes(_mm256_cvttps_epi32(_mm256_loadu_ps(a + i)),
                                                                  _mm256_cvttps_epi32(_mm256_loadu_ps(a + i + 8))));
  return i;
}
/// By way of 32 bits where all eight fit; there is no instruction for 64 before AVX-512.
MONZA_INLINE std::int64_t cast_vectors(const float* a, std::int64_t* o, std::int64_t n) {
  std::int64_t i = 0;
  const __m256 largest = _mm256_set1_ps(2147483520.0f), sign = _mm256_set1_ps(-0.0f);
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(a + i);
    if (_mm256_movemask_ps(_mm256_cmp_ps(_mm256_andnot_ps(sign, v), largest, _CMP_LE_OQ)) != 0xff) {
      for (int k = 0; k < 8; ++k) o[i + k] = _mm_cvttss_si64(_mm_set_ss(a[i + k]));
      continue;
    }
    const __m256i whole = _mm256_cvttps_epi32(v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(o + i), _mm256_cvtepi32_epi64(_mm256_castsi256_si128(whole)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(o + i + 4),
                        _mm256_cvtepi32_epi64(_mm256_extracti128_si256(whole, 1)));
  }
  return i;
}
struct Half {
  std::uint16_t bits;
};
MONZA_INLINE Half to_half(float v) { return {_cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT)}; }
MONZA_INLINE float to_float(Half h) { return _cvtsh_ss(h.bits); }
MONZA_INLINE std::int64_t cast_vectors(const float* a, Half* o, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(o + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(a + i), _MM_FROUND_TO_NEAREST_INT));
  return i;
}
MONZA_INLINE std::int64_t cast_vectors(const Half* a, float* o, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(o + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i))));
  return i;
}
template <typename To, typename From, typename F>
__attribute__((noinline)) Status cast_by_vectors(const KernelContext& c, const F& one) {
  each_run<1>(c, [&](const std::int64_t* at, const std::int64_t* step, std::int64_t n) {
    To* o = c.out[0].as<To>() + at[0];
    const From* a = c.in[0].as<From>() + at[1];
    std::int64_t i = step[0] == 1 && step[1] == 1 ? cast_vectors(a, o, n) : 0;
    for (; i < n; ++i) o[i * step[0]] = one(a[i * step[1]]);
  });
  return {};
}

template <typename To, typename From>
Status cast(const KernelContext& c) {
  const auto one = [](From v) { return converted<To, From>(v); };
  constexpr bool kVectors =
      std::is_same_v<To, std::int32_t> || std::is_same_v<To, std::int64_t> || std::is_same_v<To, std::uint8_t>;
  if constexpr (kVectors && std::is_same_v<From, float>) return cast_by_vectors<To, From>(c, one);
  else return map<To, From>(c, one);
}
/// f16 by way of f32, a block at a time.
template <typename To>
__attribute__((noinline)) Status cast_half(const KernelContext& c) {
  each_run<1>(c, [&](const std::int64_t* at, const std::int64_t* step, std::int64_t n) {
    To* o = c.out[0].as<To>() + at[0];
    const Half* a = c.in[0].as<Half>() + at[1];
    constexpr std::int64_t kBlock = 256;
    float floats[kBlock];
    for (std::int64_t begin = 0; begin < n; begin += kBlock) {
      const std::int64_t count = n - begin < kBlock ? n - begin : kBlock;
      std::int64_t i = step[1] == 1 ? cast_vectors(a + begin, floats, count) : 0;
      for (; i < count; ++i) floats[i] = to_float(a[(begin + i) * step[1]]);
      i = 0;
      if constexpr (!std::is_same_v<To, Bool> && !std::is_same_v<To, double>)
        if (step[0] == 1) i = cast_vectors(floats, o + begin, count);
      for (; i < count; ++i) o[(begin + i) * step[0]] = converted<To, float>(floats[i]);
    }
  });
  return {};
}
Status cast_from_half(const KernelContext& c) {
  switch (c.out[0].dtype) {
    case DType::f32: return cast_by_vectors<float, Half>(c, [](Half v) { return to_float(v); });
    case DType::f64: return cast_half<double>(c);
    case DType::i64: return cast_half<std::int64_t>(c);
    case DType::i32: return cast_half<std::int32_t>(c);
    case DType::u8: return cast_half<std::uint8_t>(c);
    case DType::boolean: return cast_half<Bool>(c);
    default: return kNoForm;
  }
}

template <typename From>
Status cast_from(const KernelContext& c) {
  switch (c.out[0].dtype) {
    case DType::f32: return cast<float, From>(c);
    case DType::f64: return cast<double, From>(c);
    case DType::i64: return cast<std::int64_t, From>(c);
    case DType::i32: return cast<std::int32_t, From>(c);
    case DType::u8: return cast<std::uint8_t, From>(c);
    case DType::boolean: return cast<Bool, From>(c);
    default: return kNoForm;
  }
}
Status run_cast(const KernelContext& c) noexcept {
  const DType from = c.in[0].dtype, to = c.out[0].dtype;
  if (to == DType::f16) return cast_by_vectors<Half, float>(c, [](float v) { return to_half(v); });
  switch (from) {
    case DType::f16: return cast_from_half(c);
    case DType::f32: return cast_from<float>(c);
    case DType::f64: return cast_from<double>(c);
    case DType::i64: return cast_from<std::int64_t>(c);
    case DType::i32: return cast_from<std::int32_t>(c);
    case DType::u8: return cast_from<std::uint8_t>(c);
    case DType::boolean: return cast_from<Bool>(c);
    default: return kNoForm;
  }
}
Refusal accepts_cast(const KernelQuery& q) noexcept {
  const DType from = q.in[0].dtype, to = q.out[0].dtype;
  if (to == DType::f16) return from == DType::f32 ? nullptr : "converts to f16 from f32";
  for (const DType t : {from == DType::f16 ? DType::f32 : from, to})
    if (t != DType::f32 && t != DType::f64 && t != DType::i64 && t != DType::i32 && t != DType::u8 &&
        t != DType::boolean)
      return "converts f32, f64, i64, i32, u8 and booleans, and from f16";
  return nullptr;
}

consteval Kernel plain_kernel(const char* name, const char* op, Isa needs,
                              Refusal (*accepts)(const KernelQuery&) noexcept,
                              Status (*run)(const KernelContext&) noexcept, std::uint32_t in_place_inputs = 0) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::strided},
          .out{Port::strided},
          .accepts = accepts,
          .run = run,
          .in_place_inputs = in_place_inputs};
}

}  // namespace
}  // namespace monza::ops
