// Floats that memory holds in fewer bits: vectors of them as f32, and back, rounded to nearest with ties to even.
// Included by ISA files only.
#pragma once

#include <cstddef>

#include "simd/vec.h"

namespace monza::ops {
namespace {

#if defined(__AVX512F__)
MONZA_INLINE Vec widen_f16(const std::byte* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
MONZA_INLINE Vec widen_bf16(const std::byte* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
MONZA_INLINE Vec widen_i8(const std::byte* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
MONZA_INLINE void narrow_f16(Vec x, std::byte* p) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}
/// A NaN stays one.
MONZA_INLINE void narrow_bf16(Vec x, std::byte* p) {
  const __m512i bits = _mm512_castps_si512(x.v), high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __m512i rounded = _mm512_mask_or_epi32(_mm512_srli_epi32(up, 16), _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q),
                                               high, _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(rounded));
}
/// Of whole numbers in [-128, 127].
MONZA_INLINE void narrow_i8(Vec x, std::byte* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.v)));
}
#else
MONZA_INLINE Vec widen_f16(const std::byte* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
MONZA_INLINE Vec widen_bf16(const std::byte* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))};
}
MONZA_INLINE Vec widen_i8(const std::byte* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}
MONZA_INLINE void narrow_f16(Vec x, std::byte* p) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}
/// A NaN stays one.
MONZA_INLINE void narrow_bf16(Vec x, std::byte* p) {
  const __m256i bits = _mm256_castps_si256(x.v), high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i nan = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i rounded =
      _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), nan, _mm256_castps_si256(_mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q)));
  const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves);
}
/// Of whole numbers in [-128, 127].
MONZA_INLINE void narrow_i8(Vec x, std::byte* p) {
  const __m256i q = _mm256_cvtps_epi32(x.v);
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(halves, halves));
}
#endif

/// n elements of `bytes` each, as f32; whole vectors are written.
template <typename Widen>
MONZA_INLINE void widen_row(const std::byte* from, std::int64_t n, int bytes, float* to, Widen&& widen) {
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) widen(from + i * bytes).store(to + i);
  if (i == n) return;
  std::byte last[Vec::kWidth * 4] = {};
  __builtin_memcpy(last, from + i * bytes, static_cast<std::size_t>((n - i) * bytes));
  widen(last).store(to + i);
}

/// n floats as elements of `bytes` each, and nothing behind them.
template <typename Narrow>
MONZA_INLINE void narrow_row(const float* from, std::int64_t n, int bytes, std::byte* to, Narrow&& narrow) {
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) narrow(Vec::load(from + i), to + i * bytes);
  if (i == n) return;
  std::byte last[Vec::kWidth * 4];
  narrow(Vec::load(from + i, Vec::mask(n - i)), last);
  __builtin_memcpy(to + i * bytes, last, static_cast<std::size_t>((n - i) * bytes));
}

}  // namespace
}  // namespace monza::ops
