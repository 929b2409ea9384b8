// Max and average pooling on channels-last and channel-blocked tensors: vectors over channels, the window clipped once
// for a pixel. A block of channels of an image is pooled like an image of as many channels.
// Every input vector is read from L1 or L2 (windows overlap), so large windows are bound by loads: one for each
// element of the window and max or add beside it; small ones and global pooling by memory. Four vectors of channels
// at a time hide the latency of max and add.
#pragma once

#include "kernel/kernel.h"
#include "ops/pool/pool.params.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

/// Bytes of channels, compared as signed or unsigned.
template <bool kSigned>
struct Bytes {
#if defined(__AVX512F__)
  static constexpr int kWidth = 64;
  using Mask = __mmask64;
  __m512i v;
  static MONZA_INLINE Mask mask(std::int64_t n) { return n >= 64 ? ~Mask{0} : (Mask{1} << n) - 1; }
  static MONZA_INLINE Bytes load(const std::uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  static MONZA_INLINE Bytes load(const std::uint8_t* p, Mask m) { return {_mm512_maskz_loadu_epi8(m, p)}; }
  MONZA_INLINE void store(std::uint8_t* p) const { _mm512_storeu_si512(p, v); }
  MONZA_INLINE void store(std::uint8_t* p, Mask m) const { _mm512_mask_storeu_epi8(p, m, v); }
  static MONZA_INLINE Bytes lowest() { return {_mm512_set1_epi8(kSigned ? -128 : 0)}; }
  MONZA_INLINE Bytes with(Bytes x) const {
    if constexpr (kSigned) return {_mm512_max_epi8(v, x.v)};
    return {_mm512_max_epu8(v, x.v)};
  }
#else
  static constexpr int kWidth = 32;
  using Mask = std::int64_t;  // lanes
  __m256i v;
  static MONZA_INLINE Mask mask(std::int64_t n) { return n; }
  static MONZA_INLINE Bytes load(const std::uint8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static MONZA_INLINE Bytes load(const std::uint8_t* p, Mask n) {
    alignas(32) std::uint8_t part[32] = {};
    for (std::int64_t i = 0; i < n; ++i) part[i] = p[i];
    return load(part);
  }
  MONZA_INLINE void store(std::uint8_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  MONZA_INLINE void store(std::uint8_t* p, Mask n) const {
    alignas(32) std::uint8_t part[32];
    store(part);
    for (std::int64_t i = 0; i < n; ++i) p[i] = part[i];
  }
  static MONZA_INLINE Bytes lowest() { return {_mm256_set1_epi8(kSigned ? -128 : 0)}; }
  MONZA_INLINE Bytes with(Bytes x) const {
    if constexpr (kSigned) return {_mm256_max_epi8(v, x.v)};
    return {_mm256_max_epu8(v, x.v)};
  }
#endif
};

/// The largest float; NaN wins and stays.
struct MaxFloat {
  using Element = float;
  static constexpr int kWidth = Vec::kWidth;
  using Mask = Vec::Mask;
  Vec v;
  static MONZA_INLINE Mask mask(std::int64_t n) { return Vec::mask(n); }
  static MONZA_INLINE MaxFloat load(const float* p) { return {Vec::load(p)}; }
  static MONZA_INLINE MaxFloat load(const float* p, Mask m) { return {Vec::load(p, m)}; }
  MONZA_INLINE void store(float* p) const { v.store(p); }
  MONZA_INLINE void store(float* p, Mask m) const { v.store(p, m); }
  static MONZA_INLINE MaxFloat lowest() { return {Vec::set(-__builtin_inff())}; }
  MONZA_INLINE MaxFloat with(MaxFloat x) const {
    const Vec larger = max(v, x.v);  // x where either is NaN
#if defined(__AVX512F__)
    return {{_mm512_mask_mov_ps(larger.v, _mm512_cmp_ps_mask(v.v, v.v, _CMP_UNORD_Q), v.v)}};
#else
    return {{_mm256_blendv_ps(larger.v, v.v, _mm256_cmp_ps(v.v, v.v, _CMP_UNORD_Q))}};
#endif
  }
};

template <bool kSigned>
struct MaxBytes : Bytes<kSigned> {
  using Element = std::uint8_t;
};

struct SumFloat {
  using Element = float;
  static constexpr int kWidth = Vec::kWidth;
  using Mask = Vec::Mask;
  Vec v;
  static MONZA_INLINE Mask mask(std::int64_t n) { return Vec::mask(n); }
  static MONZA_INLINE SumFloat load(const float* p) { return {Vec::load(p)}; }
  static MONZA_INLINE SumFloat load(const float* p, Mask m) { return {Vec::load(p, m)}; }
  MONZA_INLINE void store(float* p) const { v.store(p); }
  MONZA_INLINE void store(float* p, Mask m) const { v.store(p, m); }
  static MONZA_INLINE SumFloat lowest() { return {Vec::zero()}; }
  MONZA_INLINE SumFloat with(SumFloat x) const { return {v + x.v}; }
};

/// The part of a pixel's window that lies inside the input.
struct Clipped {
  std::int64_t offset = 0;   ///< of its first element
  std::int64_t count[3];     ///< positions an axis
  std::int64_t step[3];      ///< elements between positions
  std::int64_t counted = 1;  ///< positions in the padded input, for averages
  std::int64_t inside = 1;
};

MONZA_INLINE Clipped clip(const PoolWindow& w, const std::int64_t* stride, const std::int64_t* o) {
  Clipped c;
  for (int a = 0; a < 3; ++a) {
    const std::int64_t begin = o[a] * w.stride[a] - w.pad[a], d = w.dilation[a];
    const std::int64_t first = begin >= 0 ? 0 : (-begin + d - 1) / d;
    std::int64_t end = begin >= w.in[a] ? 0 : (w.in[a] - 1 - begin) / d + 1;
    if (end > w.kernel[a]) end = w.kernel[a];
    std::int64_t padded = begin >= w.in[a] + w.pad_end[a] ? 0 : (w.in[a] + w.pad_end[a] - 1 - begin) / d + 1;
    if (padded > w.kernel[a]) padded = w.kernel[a];
    c.count[a] = end > first ? end - first : 0;
    c.step[a] = d * stride[a];
    c.offset += (begin + first * d) * stride[a];
    c.counted *= padded;
    c.inside *= c.count[a];
  }
  return c;
}

/// kBlock vectors of one output pixel; `mask` covers the last one when kTail.
template <typename V, int kBlock, bool kTail, bool kAverage>
MONZA_INLINE void pool_block(const Clipped& c, const typename V::Element* x, typename V::Element* out,
                             typename V::Mask mask, float scale) {
  V acc[kBlock];
  for (int b = 0; b < kBlock; ++b) acc[b] = V{V::lowest()};  // what a window over padding alone gives
  if (c.inside > 0)
    for (std::int64_t i = 0; i < c.count[0]; ++i)
      for (std::int64_t j = 0; j < c.count[1]; ++j) {
        const auto* p = x + c.offset + i * c.step[0] + j * c.step[1];
        for (std::int64_t k = 0; k < c.count[2]; ++k, p += c.step[2])
          for (int b = 0; b < kBlock; ++b) {
            if constexpr (kTail) acc[b] = V{acc[b].with(V::load(p + b * V::kWidth, mask))};
            else acc[b] = V{acc[b].with(V::load(p + b * V::kWidth))};
          }
      }
  for (int b = 0; b < kBlock; ++b) {
    if constexpr (kAverage) acc[b].v = acc[b].v * Vec::set(scale);
    if constexpr (kTail) acc[b].store(out + b * V::kWidth, mask);
    else acc[b].store(out + b * V::kWidth);
  }
}

template <typename V, bool kAverage>
__attribute__((noinline)) void pool_pixel(const Clipped& c, const typename V::Element* x, typename V::Element* out,
                                          std::int64_t channels, float scale) {
  std::int64_t ch = 0;
  for (; ch + 4 * V::kWidth <= channels; ch += 4 * V::kWidth)
    pool_block<V, 4, false, kAverage>(c, x + ch, out + ch, V::mask(0), scale);
  for (; ch + V::kWidth <= channels; ch += V::kWidth)
    pool_block<V, 1, false, kAverage>(c, x + ch, out + ch, V::mask(0), scale);
  if (ch < channels) pool_block<V, 1, true, kAverage>(c, x + ch, out + ch, V::mask(channels - ch), scale);
}

template <typename V, bool kAverage>
Status pool(const KernelContext& c) noexcept {
  const auto& p = c.params_as<PoolParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const PoolWindow w = pool_window(p, x.shape.dim + 2, out.shape.dim + 2);
  std::int64_t in_stride[3] = {}, out_stride[3] = {};
  for (int i = 0; i < p.spatial; ++i) {
    in_stride[i + 3 - p.spatial] = x.stride[i + 2];
    out_stride[i + 3 - p.spatial] = out.stride[i + 2];
  }
  const std::int64_t channels = out.shape[1], rows = out.shape[0] * w.out[0] * w.out[1];
  const bool blocked = out.layout != Layout::strided;
  if (out.shape.numel() == 0) return {};
  // Rows of pixels are the tasks; where there are few, channels are cut as well.
  const std::int64_t chunk = blocked                                              ? V::kWidth
                             : rows >= 2 * c.parallel->threads() || w.out[2] > 16 ? channels
                                                                                  : 4 * V::kWidth;
  const std::int64_t chunks = (channels + chunk - 1) / chunk;
  parallel_for(*c.parallel, rows * chunks, [&](std::int64_t task, int) {
    // Rows of one block follow each other.
    const std::int64_t row = blocked ? task % rows : task / chunks, part = blocked ? task / rows : task % chunks;
    const std::int64_t count = channels - part * chunk < chunk ? channels - part * chunk : chunk;
    std::int64_t o[3] = {row / w.out[1] % w.out[0], row % w.out[1], 0};
    const std::int64_t n = row / w.out[1] / w.out[0];
    const auto* from = x.as<typename V::Element>() + n * x.stride[0] + part * (blocked ? x.stride[1] : chunk);
    auto* to = out.as<typename V::Element>() + n * out.stride[0] + o[0] * out_stride[0] + o[1] * out_stride[1] +
               part * (blocked ? out.stride[1] : chunk);
    for (; o[2] < w.out[2]; ++o[2], to += out_stride[2]) {
      const Clipped clipped = clip(w, in_stride, o);
      float scale = 1;
      if constexpr (kAverage) scale = 1.0F / static_cast<float>(p.count_include_pad ? clipped.counted : clipped.inside);
      if (blocked && count < chunk)  // the padding of the last block is zero
        for (std::int64_t i = count; i < chunk; ++i) to[i] = 0;
      pool_pixel<V, kAverage>(clipped, from, to, count, scale);
    }
  });
  return {};
}

Status run_max_pool(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::f32: return pool<MaxFloat, false>(c);
    case DType::u8: return pool<MaxBytes<false>, false>(c);
    case DType::i8: return pool<MaxBytes<true>, false>(c);
    default: return {StatusCode::internal, "MaxPool: element type"};
  }
}
Status run_average_pool(const KernelContext& c) noexcept { return pool<SumFloat, true>(c); }

Refusal accepts_max_pool(const KernelQuery& q) noexcept {
  if (q.in[0].dtype != DType::f32 && q.in[0].dtype != DType::u8 && q.in[0].dtype != DType::i8)
    return "takes f32, u8 and i8";
  if (q.out_count > 1 && q.out[1].present()) return "makes no indices";
  return nullptr;
}
Refusal accepts_average_pool(const KernelQuery& q) noexcept {
  return q.in[0].dtype == DType::f32 ? nullptr : "takes f32";
}
Refusal accepts_max_pool_blocked(const KernelQuery& q) noexcept {
  if (const Refusal r = accepts_max_pool(q)) return r;
  return q.in[0].dtype == DType::f32 ? nullptr : "blocks are vectors of f32";
}

/// Over channels-last pixels, or over blocks of channels.
consteval Kernel max_pool_kernel(const char* name, Isa needs, Port pixels) {
  return {.name = name,
          .op = "MaxPool",
          .needs = needs,
          .in{pixels},
          .out{pixels},
          .accepts = pixels == Port::channels_last ? accepts_max_pool : accepts_max_pool_blocked,
          .run = run_max_pool};
}
consteval Kernel average_pool_kernel(const char* name, Isa needs, Port pixels) {
  return {.name = name,
          .op = "AveragePool",
          .needs = needs,
          .in{pixels},
          .out{pixels},
          .accepts = accepts_average_pool,
          .run = run_average_pool};
}

}  // namespace
}  // namespace monza::ops
