// One vector type for kernels written once: 16 floats with AVX-512, 8 with AVX2. Included by ISA files only; all of
// it is local to the including file, so that no copy compiled for one CPU is linked into code for another.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "base/macros.h"

namespace monza::ops {
namespace {

#if defined(__AVX512F__)

struct Vec {
  static constexpr int kWidth = 16;
  static constexpr int kRegisters = 32;
  using Mask = __mmask16;
  __m512 v;

  static MONZA_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static MONZA_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static MONZA_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  /// First n lanes, 0 <= n <= kWidth.
  static MONZA_INLINE Mask mask(std::int64_t n) { return static_cast<Mask>((1u << n) - 1u); }
  /// Zeros where the mask is off; such lanes are not touched in memory.
  static MONZA_INLINE Vec load(const float* p, Mask m) { return {_mm512_maskz_loadu_ps(m, p)}; }
  MONZA_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  MONZA_INLINE void store(float* p, Mask m) const { _mm512_mask_storeu_ps(p, m, v); }
};
MONZA_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
MONZA_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
MONZA_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
MONZA_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
/// a * b + c, rounded once.
MONZA_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
/// c - a * b, rounded once.
MONZA_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
/// The second operand where either is NaN: max(limit, x) keeps a NaN in x.
MONZA_INLINE Vec max(Vec limit, Vec x) { return {_mm512_max_ps(limit.v, x.v)}; }
MONZA_INLINE Vec min(Vec limit, Vec x) { return {_mm512_min_ps(limit.v, x.v)}; }
MONZA_INLINE Vec round(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
/// x where x >= 0 or x is NaN, else y.
MONZA_INLINE Vec if_negative(Vec x, Vec y) {
  return {_mm512_mask_mov_ps(x.v, _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OQ), y.v)};
}
/// a < b ? x : y
MONZA_INLINE Vec if_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_mov_ps(y.v, _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), x.v)};
}
MONZA_INLINE Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
/// |magnitude| with the sign of `sign`.
MONZA_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  const __m512i m = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  return {_mm512_castsi512_ps(
      _mm512_ternarylogic_epi32(m, _mm512_castps_si512(sign.v), _mm512_castps_si512(magnitude.v), 0xca))};
}
/// a * 2^n for any integral n, with overflow to infinity and underflow to zero. kScaleLow..kScaleHigh: the n it takes.
constexpr float kScaleLow = -160.0f, kScaleHigh = 129.0f;
constexpr bool kScaleUnderflows = true;
MONZA_INLINE Vec scale(Vec a, Vec n) { return {_mm512_scalef_ps(a.v, n.v)}; }
/// 1 / a within 1 ulp, for a normal a whose reciprocal is normal: 14 bits, then one step of Newton.
MONZA_INLINE Vec reciprocal(Vec a) {
  const __m512 y = _mm512_rcp14_ps(a.v);
  return {_mm512_fmadd_ps(y, _mm512_fnmadd_ps(a.v, y, _mm512_set1_ps(1.0f)), y)};
}
/// The same, and 0 for infinity, where Newton's step would multiply it by 0.
MONZA_INLINE Vec reciprocal_or_zero(Vec a) {
  const __m512 y = _mm512_rcp14_ps(a.v);
  const __mmask16 some = _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  return {_mm512_maskz_fmadd_ps(some, y, _mm512_fnmadd_ps(a.v, y, _mm512_set1_ps(1.0f)), y)};
}
/// a = mantissa * 2^exponent with the mantissa in [1, 2), for normal a > 0.
MONZA_INLINE Vec mantissa(Vec a) { return {_mm512_getmant_ps(a.v, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src)}; }
MONZA_INLINE Vec exponent(Vec a) { return {_mm512_getexp_ps(a.v)}; }

#else

struct Vec {
  static constexpr int kWidth = 8;
  static constexpr int kRegisters = 16;
  using Mask = __m256i;
  __m256 v;

  static MONZA_INLINE Vec zero() { return {_mm256_setzero_ps()}; }
  static MONZA_INLINE Vec set(float x) { return {_mm256_set1_ps(x)}; }
  static MONZA_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  /// First n lanes, 0 <= n <= kWidth.
  static MONZA_INLINE Mask mask(std::int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  /// Zeros where the mask is off; such lanes are not touched in memory.
  static MONZA_INLINE Vec load(const float* p, Mask m) { return {_mm256_maskload_ps(p, m)}; }
  MONZA_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  MONZA_INLINE void store(float* p, Mask m) const { _mm256_maskstore_ps(p, m, v); }
};
MONZA_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
MONZA_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
MONZA_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
MONZA_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
/// a * b + c, rounded once.
MONZA_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
/// c - a * b, rounded once.
MONZA_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
/// The second operand where either is NaN: max(limit, x) keeps a NaN in x.
MONZA_INLINE Vec max(Vec limit, Vec x) { return {_mm256_max_ps(limit.v, x.v)}; }
MONZA_INLINE Vec min(Vec limit, Vec x) { return {_mm256_min_ps(limit.v, x.v)}; }
MONZA_INLINE Vec round(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
/// x where x >= 0 or x is NaN, else y.
MONZA_INLINE Vec if_negative(Vec x, Vec y) {
  return {_mm256_blendv_ps(x.v, y.v, _mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_LT_OQ))};
}
/// a < b ? x : y
MONZA_INLINE Vec if_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))};
}
MONZA_INLINE Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
/// |magnitude| with the sign of `sign`.
MONZA_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  const __m256 m = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(m, magnitude.v), _mm256_and_ps(m, sign.v))};
}
/// a * 2^n for an integral n in kScaleLow..kScaleHigh, and infinity for n = 128 and a > 0; no underflow.
constexpr float kScaleLow = -126.0f, kScaleHigh = 127.0f;
constexpr bool kScaleUnderflows = false;
MONZA_INLINE Vec scale(Vec a, Vec n) {
  const __m256i e = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
  return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(e))};
}
/// 1 / a.
MONZA_INLINE Vec reciprocal(Vec a) { return {_mm256_div_ps(_mm256_set1_ps(1.0f), a.v)}; }
MONZA_INLINE Vec reciprocal_or_zero(Vec a) { return reciprocal(a); }
/// a = mantissa * 2^exponent with the mantissa in [1, 2), for normal a > 0.
MONZA_INLINE Vec mantissa(Vec a) {
  const __m256i bits = _mm256_and_si256(_mm256_castps_si256(a.v), _mm256_set1_epi32(0x007fffff));
  return {_mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f800000)))};
}
MONZA_INLINE Vec exponent(Vec a) {
  return {
      _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(_mm256_castps_si256(a.v), 23), _mm256_set1_epi32(127)))};
}

#endif

}  // namespace
}  // namespace monza::ops
