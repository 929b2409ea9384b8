// The vector types of the integer kernels. A "dot" adds, to each 32-bit lane, the four products of unsigned activation
// bytes (broadcast) and signed weight bytes (that lane's column), exactly:
//   AVX-512 VNNI and AVX-VNNI : one vpdpbusd
//   AVX2                      : bytes widened to 16 bits, two vpmaddwd, as vpmaddubsw saturates
// A "panel_dot" is the same for weights that were packed with Q::kSplit in mind: where it is set, vpmaddubsw must not
// saturate, so neighbours in a lane (bytes 0 and 1, 2 and 3) add up to at least -128 and at most 128.
// Included by ISA files only; all of it is local to the including file.
#pragma once

// GCC 12's AVX-512 header reads undefined registers on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "base/macros.h"

namespace monza::ops {
namespace {

MONZA_INLINE std::int32_t load_u32(const std::uint8_t* p) {
  std::int32_t v;
  __builtin_memcpy(&v, p, 4);
  return v;
}

#if defined(__AVX512F__)

struct Q {
  static constexpr int kLanes = 16;
  static constexpr int kPanels = 4;  ///< most panels (columns / kLanes) of one tile
  /// Rows of a tile with that many panels: 24 accumulators leave room for weights and one broadcast of 32 registers.
  static constexpr int rows(int panels) { return panels == 4 ? 6 : panels == 3 ? 8 : 12; }
  using I = __m512i;
  using F = __m512;
  using Mask = __mmask16;

  static MONZA_INLINE I zero() { return _mm512_setzero_si512(); }
  static MONZA_INLINE I set(std::int32_t v) { return _mm512_set1_epi32(v); }
  static MONZA_INLINE I load(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static MONZA_INLINE void store(std::int32_t* p, I v) { _mm512_storeu_si512(p, v); }
  static MONZA_INLINE I add(I a, I b) { return _mm512_add_epi32(a, b); }
  static MONZA_INLINE I sub(I a, I b) { return _mm512_sub_epi32(a, b); }
  static MONZA_INLINE I mul(I a, I b) { return _mm512_mullo_epi32(a, b); }
  static MONZA_INLINE I sum4(I acc, I u8) { return _mm512_dpbusd_epi32(acc, u8, _mm512_set1_epi8(1)); }
  static MONZA_INLINE I sum4_signed(I acc, I i8) { return _mm512_dpbusd_epi32(acc, _mm512_set1_epi8(1), i8); }
  static MONZA_INLINE std::int32_t reduce(I v) {
    const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
  }

  using W = __m512i;
  using A = __m512i;
  static MONZA_INLINE W weights(const std::int8_t* p) { return _mm512_load_si512(p); }
  static MONZA_INLINE A broadcast(std::int32_t four) { return _mm512_set1_epi32(four); }
  static MONZA_INLINE A flip(A a) { return _mm512_xor_si512(a, _mm512_set1_epi32(static_cast<int>(0x80808080u))); }
  static MONZA_INLINE A activations(I bytes) { return bytes; }
  static MONZA_INLINE I dot(I acc, A a, W w) { return _mm512_dpbusd_epi32(acc, a, w); }
  static constexpr bool kSplit = false;
  static MONZA_INLINE I panel_dot(I acc, I a, I w) { return dot(acc, a, w); }

  // Depthwise: four taps of 64 channels, interleaved so that a lane holds one channel's taps (the order of in_order).
  static MONZA_INLINE I load_bytes(const std::uint8_t* p, std::int64_t n) {
    return n >= 64 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8((std::uint64_t{1} << n) - 1, p);
  }
  static MONZA_INLINE void interleave(const I (&t)[4], I (&lanes)[4]) {
    const I ab0 = _mm512_unpacklo_epi8(t[0], t[1]), ab1 = _mm512_unpackhi_epi8(t[0], t[1]);
    const I cd0 = _mm512_unpacklo_epi8(t[2], t[3]), cd1 = _mm512_unpackhi_epi8(t[2], t[3]);
    lanes[0] = _mm512_unpacklo_epi16(ab0, cd0);
    lanes[1] = _mm512_unpackhi_epi16(ab0, cd0);
    lanes[2] = _mm512_unpacklo_epi16(ab1, cd1);
    lanes[3] = _mm512_unpackhi_epi16(ab1, cd1);
  }
  /// From the order that interleave makes to channels in order.
  static MONZA_INLINE void in_order(I (&a)[4]) {
    const I t0 = _mm512_shuffle_i32x4(a[0], a[1], 0x44), t1 = _mm512_shuffle_i32x4(a[2], a[3], 0x44);
    const I t2 = _mm512_shuffle_i32x4(a[0], a[1], 0xee), t3 = _mm512_shuffle_i32x4(a[2], a[3], 0xee);
    a[0] = _mm512_shuffle_i32x4(t0, t1, 0x88);
    a[1] = _mm512_shuffle_i32x4(t0, t1, 0xdd);
    a[2] = _mm512_shuffle_i32x4(t2, t3, 0x88);
    a[3] = _mm512_shuffle_i32x4(t2, t3, 0xdd);
  }

  /// The inverse of in_order.
  static MONZA_INLINE void interleaved_order(I (&a)[4]) { in_order(a); }
  /// kPieces runs of n bytes (at most 64 / kPieces), one after the other; n is 64 / kPieces where kWhole says so.
  static constexpr int kMostPieces = 4;
  template <int kPieces, bool kWhole>
  static MONZA_INLINE I load_pieces(const std::uint8_t* const* p, std::int64_t offset, std::int64_t n) {
    if constexpr (kPieces == 1) {
      return load_bytes(p[0] + offset, kWhole ? 64 : n);
    } else if constexpr (kPieces == 2) {
      const auto mask = static_cast<__mmask32>(kWhole ? 0xffffffffu : (std::uint64_t{1} << n) - 1);
      const auto load = [&](int i) {
        return kWhole ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p[i] + offset))
                      : _mm256_maskz_loadu_epi8(mask, p[i] + offset);
      };
      return _mm512_inserti64x4(_mm512_castsi256_si512(load(0)), load(1), 1);
    } else {
      const auto mask = static_cast<__mmask16>(kWhole ? 0xffffu : (1u << n) - 1);
      const auto load = [&](int i) {
        return kWhole ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p[i] + offset))
                      : _mm_maskz_loadu_epi8(mask, p[i] + offset);
      };
      const I low = _mm512_inserti32x4(_mm512_castsi128_si512(load(0)), load(1), 1);
      return _mm512_inserti32x4(_mm512_inserti32x4(low, load(2), 2), load(3), 3);
    }
  }

  static MONZA_INLINE F to_f32(I v) { return _mm512_cvtepi32_ps(v); }
  static MONZA_INLINE std::int32_t to_i32(float v) { return _mm_cvtss_si32(_mm_set_ss(v)); }
  static MONZA_INLINE I to_i32(F v) { return _mm512_cvtps_epi32(v); }  // nearest even: the run-time default
  static MONZA_INLINE F set(float v) { return _mm512_set1_ps(v); }
  static MONZA_INLINE F load(const float* p) { return _mm512_loadu_ps(p); }
  static MONZA_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static MONZA_INLINE F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static MONZA_INLINE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static MONZA_INLINE F add(F a, F b) { return _mm512_add_ps(a, b); }
  static MONZA_INLINE F div(F a, F b) { return _mm512_div_ps(a, b); }
  /// NaN stays NaN if v is one, and to_i32 makes it the least integer.
  static MONZA_INLINE F at_most(F v, F high) { return _mm512_min_ps(high, v); }
  /// 0 where v is NaN.
  static MONZA_INLINE F number(F v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v); }
  static MONZA_INLINE F clamp(F v, F low, F high) { return _mm512_min_ps(_mm512_max_ps(v, low), high); }
  /// Within 7e-5 of 1 / v; 0 for infinity.
  static MONZA_INLINE F rough_reciprocal(F v) { return _mm512_rcp14_ps(v); }
  static MONZA_INLINE F rint(F v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  static MONZA_INLINE Mask mask(std::int64_t n) { return static_cast<Mask>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
  static MONZA_INLINE F load_f32(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static MONZA_INLINE I load_i32(const std::int32_t* p, Mask m) { return _mm512_maskz_loadu_epi32(m, p); }
  static MONZA_INLINE bool any(I v, Mask m) { return _mm512_mask_test_epi32_mask(m, v, v) != 0; }
  static MONZA_INLINE void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static MONZA_INLINE void store_f32(float* p, F v, Mask m) { _mm512_mask_storeu_ps(p, m, v); }
  static MONZA_INLINE void store_i32(std::int32_t* p, I v, Mask m) { _mm512_mask_storeu_epi32(p, m, v); }
  /// The low byte of every lane.
  static MONZA_INLINE void store_u8(std::uint8_t* p, I v, Mask m) {
    _mm_mask_storeu_epi8(p, m, _mm512_cvtepi32_epi8(v));
  }
  static MONZA_INLINE void store_u8(std::uint8_t* p, I v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
  }
  // Whole numbers to bytes: four vectors are packed together, twice, each time within 128 bits (the order that
  // interleave makes); bytes_in_order puts the vectors one after the other.
  static MONZA_INLINE I set_words(int v) { return _mm512_set1_epi16(static_cast<short>(v)); }
  static MONZA_INLINE I set_bytes(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
  static MONZA_INLINE I pack_words(I a, I b) { return _mm512_packs_epi32(a, b); }
  static MONZA_INLINE I add_words(I a, I b) { return _mm512_adds_epi16(a, b); }
  static MONZA_INLINE I pack_bytes(I a, I b) { return _mm512_packus_epi16(a, b); }
  static MONZA_INLINE I max_bytes(I a, I b) { return _mm512_max_epu8(a, b); }
  static MONZA_INLINE I exclusive_or(I a, I b) { return _mm512_xor_si512(a, b); }
  static MONZA_INLINE I bytes_in_order(I v) {
    const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, v);
  }
  /// Stores quarters [kFirst, kFirst + kCount) of v, or their first n bytes where those are fewer.
  template <int kFirst, int kCount>
  static MONZA_INLINE void store_quarters(std::uint8_t* p, I v, std::int64_t n) {
    const std::uint64_t mask = n >= kCount * 16 ? ~std::uint64_t{0} >> (64 - kCount * 16) : (std::uint64_t{1} << n) - 1;
    if constexpr (kCount == 1) {
      const __m128i part = _mm512_extracti32x4_epi32(v, kFirst);
      if (n >= 16) _mm_storeu_si128(reinterpret_cast<__m128i*>(p), part);
      else _mm_mask_storeu_epi8(p, static_cast<__mmask16>(mask), part);
    } else if constexpr (kCount == 2) {
      const __m256i part = _mm512_extracti64x4_epi64(v, kFirst / 2);
      if (n >= 32) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), part);
      else _mm256_mask_storeu_epi8(p, static_cast<__mmask32>(mask), part);
    } else {
      if (kCount == 4 && n >= 64) _mm512_storeu_si512(p, v);
      else _mm512_mask_storeu_epi8(p, mask, v);
    }
  }
  static MONZA_INLINE I load_u8(const std::uint8_t* p, Mask m) {
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, p));
  }
  static MONZA_INLINE I load_i8(const std::uint8_t* p, Mask m) {
    return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(m, p));
  }
};

#else

struct Q {
  static constexpr int kLanes = 8;
  static constexpr int kPanels = 2;
#if defined(__AVXVNNI__)
  static constexpr int rows(int panels) { return panels == 2 ? 6 : 8; }
#else
  // A panel_dot needs a register of ones and one between its steps.
  static constexpr int rows(int panels) { return panels == 2 ? 4 : 8; }
#endif
  using I = __m256i;
  using F = __m256;
  using Mask = int;  ///< valid lanes

  static MONZA_INLINE I zero() { return _mm256_setzero_si256(); }
  static MONZA_INLINE I set(std::int32_t v) { return _mm256_set1_epi32(v); }
  static MONZA_INLINE I load(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static MONZA_INLINE void store(std::int32_t* p, I v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static MONZA_INLINE I add(I a, I b) { return _mm256_add_epi32(a, b); }
  static MONZA_INLINE I sub(I a, I b) { return _mm256_sub_epi32(a, b); }
  static MONZA_INLINE I mul(I a, I b) { return _mm256_mullo_epi32(a, b); }
  static MONZA_INLINE I sum4(I acc, I u8) {  // at most 255 + 255 fits 16 bits
    return _mm256_add_epi32(acc,
                            _mm256_madd_epi16(_mm256_maddubs_epi16(u8, _mm256_set1_epi8(1)), _mm256_set1_epi16(1)));
  }
  static MONZA_INLINE I sum4_signed(I acc, I i8) {
    return _mm256_add_epi32(acc,
                            _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), i8), _mm256_set1_epi16(1)));
  }
  static MONZA_INLINE std::int32_t reduce(I v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
  }

#if defined(__AVXVNNI__)
  using W = __m256i;
  using A = __m256i;
  static MONZA_INLINE W weights(const std::int8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static MONZA_INLINE A broadcast(std::int32_t four) { return _mm256_set1_epi32(four); }
  static MONZA_INLINE A flip(A a) { return _mm256_xor_si256(a, _mm256_set1_epi32(static_cast<int>(0x80808080u))); }
  static MONZA_INLINE A activations(I bytes) { return bytes; }
  static MONZA_INLINE I dot(I acc, A a, W w) { return _mm256_dpbusd_avx_epi32(acc, a, w); }
  static constexpr bool kSplit = false;
  static MONZA_INLINE I panel_dot(I acc, I a, I w) { return dot(acc, a, w); }
#else
  struct W {
    __m256i even, odd;
  };
  struct A {
    __m256i even, odd;
  };
  static MONZA_INLINE W weights(const std::int8_t* p) {
    const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), _mm256_srai_epi16(w, 8)};
  }
  static MONZA_INLINE A broadcast(std::int32_t four) { return activations(_mm256_set1_epi32(four)); }
  static MONZA_INLINE A activations(I a) {
    return {_mm256_and_si256(a, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(a, 8)};
  }
  static MONZA_INLINE A flip(A a) {
    const __m256i bit = _mm256_set1_epi16(0x80);
    return {_mm256_xor_si256(a.even, bit), _mm256_xor_si256(a.odd, bit)};
  }
  static MONZA_INLINE I dot(I acc, A a, W w) {
    return _mm256_add_epi32(acc, _mm256_add_epi32(_mm256_madd_epi16(a.even, w.even), _mm256_madd_epi16(a.odd, w.odd)));
  }
  static constexpr bool kSplit = true;
  static MONZA_INLINE I panel_dot(I acc, I a, I w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(a, w), _mm256_set1_epi16(1)));
  }
  /// Lanes of two weights each: the even bytes of a panel_dot's, with zeros between.
  static MONZA_INLINE I even_weights(const std::int8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
  }
#endif

  static MONZA_INLINE I load_bytes(const std::uint8_t* p, std::int64_t n) {
    if (n >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    alignas(32) std::uint8_t all[32] = {};
    __builtin_memcpy(all, p, static_cast<std::size_t>(n));
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(all));
  }
  static MONZA_INLINE void interleave(const I (&t)[4], I (&lanes)[4]) {
    const I ab0 = _mm256_unpacklo_epi8(t[0], t[1]), ab1 = _mm256_unpackhi_epi8(t[0], t[1]);
    const I cd0 = _mm256_unpacklo_epi8(t[2], t[3]), cd1 = _mm256_unpackhi_epi8(t[2], t[3]);
    lanes[0] = _mm256_unpacklo_epi16(ab0, cd0);
    lanes[1] = _mm256_unpackhi_epi16(ab0, cd0);
    lanes[2] = _mm256_unpacklo_epi16(ab1, cd1);
    lanes[3] = _mm256_unpackhi_epi16(ab1, cd1);
  }
  static MONZA_INLINE void in_order(I (&a)[4]) {
    const I o0 = _mm256_permute2x128_si256(a[0], a[1], 0x20), o1 = _mm256_permute2x128_si256(a[2], a[3], 0x20);
    const I o2 = _mm256_permute2x128_si256(a[0], a[1], 0x31), o3 = _mm256_permute2x128_si256(a[2], a[3], 0x31);
    a[0] = o0, a[1] = o1, a[2] = o2, a[3] = o3;
  }

  static MONZA_INLINE void interleaved_order(I (&a)[4]) {
    const I a0 = _mm256_permute2x128_si256(a[0], a[2], 0x20), a1 = _mm256_permute2x128_si256(a[0], a[2], 0x31);
    const I a2 = _mm256_permute2x128_si256(a[1], a[3], 0x20), a3 = _mm256_permute2x128_si256(a[1], a[3], 0x31);
    a[0] = a0, a[1] = a1, a[2] = a2, a[3] = a3;
  }
  static constexpr int kMostPieces = 2;
  template <int kPieces, bool kWhole>
  static MONZA_INLINE I load_pieces(const std::uint8_t* const* p, std::int64_t offset, std::int64_t n) {
    if constexpr (kPieces == 1) {
      return load_bytes(p[0] + offset, kWhole ? 32 : n);
    } else {
      const auto load = [&](int i) {
        if (kWhole) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p[i] + offset));
        alignas(16) std::uint8_t all[16] = {};
        __builtin_memcpy(all, p[i] + offset, static_cast<std::size_t>(n));
        return _mm_load_si128(reinterpret_cast<const __m128i*>(all));
      };
      return _mm256_inserti128_si256(_mm256_castsi128_si256(load(0)), load(1), 1);
    }
  }

  static MONZA_INLINE F to_f32(I v) { return _mm256_cvtepi32_ps(v); }
  static MONZA_INLINE std::int32_t to_i32(float v) { return _mm_cvtss_si32(_mm_set_ss(v)); }
  static MONZA_INLINE I to_i32(F v) { return _mm256_cvtps_epi32(v); }
  static MONZA_INLINE F set(float v) { return _mm256_set1_ps(v); }
  static MONZA_INLINE F load(const float* p) { return _mm256_loadu_ps(p); }
  static MONZA_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static MONZA_INLINE F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }
  static MONZA_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static MONZA_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
  static MONZA_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
  static MONZA_INLINE F at_most(F v, F high) { return _mm256_min_ps(high, v); }
  static MONZA_INLINE F number(F v) { return _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q)); }
  static MONZA_INLINE F clamp(F v, F low, F high) { return _mm256_min_ps(_mm256_max_ps(v, low), high); }
  /// Within 1e-6 of 1 / v, for a v below 2^126: 12 bits, then one step of Newton.
  static MONZA_INLINE F rough_reciprocal(F v) {
    const F y = _mm256_rcp_ps(v);
    return _mm256_mul_ps(y, _mm256_fnmadd_ps(v, y, _mm256_set1_ps(2.0F)));
  }
  static MONZA_INLINE F rint(F v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  static MONZA_INLINE Mask mask(std::int64_t n) { return n >= 8 ? 8 : static_cast<int>(n); }
  static MONZA_INLINE I lanes(Mask m) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(m), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static MONZA_INLINE F load_f32(const float* p, Mask m) { return _mm256_maskload_ps(p, lanes(m)); }
  static MONZA_INLINE I load_i32(const std::int32_t* p, Mask m) { return _mm256_maskload_epi32(p, lanes(m)); }
  static MONZA_INLINE bool any(I v, Mask m) { return _mm256_testz_si256(v, lanes(m)) == 0; }
  static MONZA_INLINE void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static MONZA_INLINE void store_f32(float* p, F v, Mask m) { _mm256_maskstore_ps(p, lanes(m), v); }
  static MONZA_INLINE void store_i32(std::int32_t* p, I v, Mask m) { _mm256_maskstore_epi32(p, lanes(m), v); }
  static MONZA_INLINE void store_u8(std::uint8_t* p, I v, Mask m) {
    const __m256i low =
        _mm256_shuffle_epi8(v, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8,
                                                12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    const __m128i bytes = _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    if (m == 8) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
      return;
    }
    alignas(16) std::uint8_t all[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(all), bytes);
    for (int i = 0; i < m; ++i) p[i] = all[i];
  }
  static MONZA_INLINE void store_u8(std::uint8_t* p, I v) { store_u8(p, v, 8); }
  // See the AVX-512 ones.
  static MONZA_INLINE I set_words(int v) { return _mm256_set1_epi16(static_cast<short>(v)); }
  static MONZA_INLINE I set_bytes(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
  static MONZA_INLINE I pack_words(I a, I b) { return _mm256_packs_epi32(a, b); }
  static MONZA_INLINE I add_words(I a, I b) { return _mm256_adds_epi16(a, b); }
  static MONZA_INLINE I pack_bytes(I a, I b) { return _mm256_packus_epi16(a, b); }
  static MONZA_INLINE I max_bytes(I a, I b) { return _mm256_max_epu8(a, b); }
  static MONZA_INLINE I exclusive_or(I a, I b) { return _mm256_xor_si256(a, b); }
  static MONZA_INLINE I bytes_in_order(I v) {
    return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  template <int kFirst, int kCount>
  static MONZA_INLINE void store_quarters(std::uint8_t* p, I v, std::int64_t n) {
    if (n >= kCount * 8) {
      if constexpr (kCount == 4) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
      } else if constexpr (kCount == 3) {
        store_quarters<0, 2>(p, v, 16);
        store_quarters<2, 1>(p + 16, v, 8);
      } else {
        __m128i part = _mm256_extracti128_si256(v, kFirst / 2);
        if constexpr (kFirst % 2 != 0) part = _mm_unpackhi_epi64(part, part);
        if constexpr (kCount == 2) _mm_storeu_si128(reinterpret_cast<__m128i*>(p), part);
        else _mm_storel_epi64(reinterpret_cast<__m128i*>(p), part);
      }
      return;
    }
    alignas(32) std::uint8_t all[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(all), v);
    for (std::int64_t i = 0; i < n; ++i) p[i] = all[kFirst * 8 + i];
  }
  static MONZA_INLINE __m128i load_bytes(const std::uint8_t* p, Mask m) {
    if (m == 8) return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    alignas(16) std::uint8_t all[16] = {};
    for (int i = 0; i < m; ++i) all[i] = p[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(all));
  }
  static MONZA_INLINE I load_u8(const std::uint8_t* p, Mask m) { return _mm256_cvtepu8_epi32(load_bytes(p, m)); }
  static MONZA_INLINE I load_i8(const std::uint8_t* p, Mask m) { return _mm256_cvtepi8_epi32(load_bytes(p, m)); }
};

#endif

}  // namespace
}  // namespace monza::ops
