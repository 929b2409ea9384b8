// Sums and extremes over the lanes of a vector and over contiguous rows. Included by ISA files only.
#pragma once

#include "simd/vec.h"

namespace monza::ops {
namespace {

#if defined(__AVX512F__)
MONZA_INLINE float lane_sum(Vec a) {
  // By halves, in the order of the 256-bit form below.
  const __m256 s = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  const __m128 h = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
}
MONZA_INLINE float lane_max(Vec a) {
  const __m256 s = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  const __m128 h = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}
/// v where the mask is on, else other.
MONZA_INLINE Vec select(Vec::Mask m, Vec v, Vec other) { return {_mm512_mask_mov_ps(other.v, m, v.v)}; }
/// a where it is NaN, else y.
MONZA_INLINE Vec keep_nan(Vec a, Vec y) {
  return {_mm512_mask_mov_ps(y.v, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v)};
}
MONZA_INLINE bool any_nan(Vec a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q) != 0; }
#else
MONZA_INLINE float lane_sum(Vec a) {
  const __m128 q = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 h = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
}
MONZA_INLINE float lane_max(Vec a) {
  const __m128 q = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 h = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}
/// v where the mask is on, else other.
MONZA_INLINE Vec select(Vec::Mask m, Vec v, Vec other) {
  return {_mm256_blendv_ps(other.v, v.v, _mm256_castsi256_ps(m))};
}
/// a where it is NaN, else y.
MONZA_INLINE Vec keep_nan(Vec a, Vec y) { return {_mm256_blendv_ps(y.v, a.v, _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q))}; }
MONZA_INLINE bool any_nan(Vec a) { return _mm256_movemask_ps(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)) != 0; }
#endif
MONZA_INLINE float lane_min(Vec a) { return -lane_max(Vec::zero() - a); }

/// Folds n contiguous floats: four independent accumulators hide the latency of `fold`. Missing lanes read as `fill`.
template <typename Fold, typename Join>
MONZA_INLINE Vec fold_row(const float* p, std::int64_t n, Vec start, Vec fill, Fold&& fold, Join&& join) {
  constexpr int w = Vec::kWidth;
  Vec a = start, b = start, c = start, d = start;
  std::int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    a = fold(a, Vec::load(p + i));
    b = fold(b, Vec::load(p + i + w));
    c = fold(c, Vec::load(p + i + 2 * w));
    d = fold(d, Vec::load(p + i + 3 * w));
  }
  for (; i + w <= n; i += w) a = fold(a, Vec::load(p + i));
  if (i < n) {
    const Vec::Mask m = Vec::mask(n - i);
    b = fold(b, select(m, Vec::load(p + i, m), fill));
  }
  return join(join(a, b), join(c, d));
}

MONZA_INLINE float row_sum(const float* p, std::int64_t n) {
  const auto add = [](Vec a, Vec x) __attribute__((always_inline)) { return a + x; };
  return lane_sum(fold_row(p, n, Vec::zero(), Vec::zero(), add, add));
}
MONZA_INLINE float row_max(const float* p, std::int64_t n) {
  const Vec low = Vec::set(-__builtin_inff());
  const auto larger = [](Vec a, Vec x) __attribute__((always_inline)) { return max(a, x); };
  return lane_max(fold_row(p, n, low, low, larger, larger));
}
/// Sum of (x - mean)^2.
MONZA_INLINE float row_squares(const float* p, std::int64_t n, float mean) {
  const Vec m = Vec::set(mean);
  return lane_sum(fold_row(
      p, n, Vec::zero(), m, [=](Vec a, Vec x) __attribute__((always_inline)) { return fma(x - m, x - m, a); },
      [](Vec a, Vec x) __attribute__((always_inline)) { return a + x; }));
}

}  // namespace
}  // namespace monza::ops
