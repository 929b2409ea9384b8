// Packed layouts of convolution weights, f32, over the number of floats in a vector.
#pragma once

#include "kernel/kernel.h"
#include "ops/conv/conv.params.h"
#include "ops/matmul/gemm_table.simd.h"

namespace monza::ops {

// Defined in conv_packed.any.cpp.
extern const PackedFormat conv_panels_8, conv_panels_16, conv_image_8, conv_image_16, conv_depthwise_8,
    conv_depthwise_16, conv_direct_8, conv_direct_16;

namespace {

// --- weights: [M, C / group, k...] to one packed B per group, K ordered (taps, channel) -----------------------------

MONZA_INLINE std::size_t weight_bytes(int vector, const KernelQuery& q) {
  const Shape& w = q.input(1).shape;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const std::int64_t filters = w[0] / p.group;
  return static_cast<std::size_t>(p.group) * packed_b_bytes(w.count(1, w.rank), filters, vector);
}

/// Packing works on whole rows of K for one tap at a time: element (c, m) of tap t lies at w[(m * C + c) * taps + t].
template <bool kPack>
void repack_weight(int vector, const KernelQuery& q, const float* from, float* to) {
  const Shape& w = q.input(1).shape;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const std::int64_t filters = w[0] / p.group, channels = w[1], taps = w.count(2, w.rank), k = taps * channels;
  const std::int64_t padded = padded_columns(filters, vector), total = padded / vector, each = k_block(k);
  for (std::int64_t g = 0; g < p.group; ++g) {
    const std::int64_t dense_base = g * filters * k, packed_base = g * k * padded;
    for (std::int64_t k0 = 0; k0 < k; k0 += each) {
      const std::int64_t kc = k - k0 < each ? k - k0 : each;
      for (std::int64_t v = 0; v < total;) {
        const int vecs = panel_vectors(v, total);
        const std::int64_t width = vecs * vector, n0 = v * vector;
        const std::int64_t panel = packed_base + packed_b_offset(k0, kc, n0, filters, vector);
        for (std::int64_t i = 0; i < kc; ++i) {
          const std::int64_t tap = (k0 + i) / channels, channel = (k0 + i) % channels;
          for (std::int64_t j = 0; j < width; ++j) {
            const std::int64_t dense = dense_base + ((n0 + j) * channels + channel) * taps + tap;
            if constexpr (kPack) {
              to[panel + i * width + j] = n0 + j < filters ? from[dense] : 0.0f;
            } else if (n0 + j < filters) {
              to[dense] = from[panel + i * width + j];
            }
          }
        }
        v += vecs;
      }
    }
  }
}

// --- a few channels: [panel][channel, kernel row, kernel column][one or two vectors of filters] ---------------------

MONZA_INLINE std::size_t image_bytes(int vector, const KernelQuery& q) {
  const Shape& w = q.input(1).shape;
  return static_cast<std::size_t>(w.count(1, w.rank) * padded_columns(w[0], vector)) * sizeof(float);
}
/// Position of filter m's tap t in the panels.
MONZA_INLINE std::int64_t image_at(int vector, std::int64_t m, std::int64_t t, std::int64_t taps,
                                   std::int64_t vectors) {
  const std::int64_t pair = m / vector / 2 * 2, vecs = vectors - pair == 1 ? 1 : 2;
  return (pair * taps + t * vecs) * vector + m - pair * vector;
}

// --- depthwise: [channel block][tap][vector] ------------------------------------------------------------------------

MONZA_INLINE std::size_t depthwise_bytes(int vector, const KernelQuery& q) {
  const Shape& w = q.input(1).shape;
  return static_cast<std::size_t>(w.count(2, w.rank) * padded_columns(w[0], vector)) * sizeof(float);
}
MONZA_INLINE std::int64_t depthwise_at(int vector, std::int64_t m, std::int64_t t, std::int64_t taps) {
  return (m / vector * taps + t) * vector + m % vector;
}
MONZA_INLINE void pack_depthwise(int vector, const KernelQuery& q, std::byte* packed) noexcept {
  float* to = reinterpret_cast<float*>(packed);
  const Shape& w = q.input(1).shape;
  const float* from = static_cast<const float*>(q.input(1).data);
  const std::int64_t taps = w.count(2, w.rank), padded = padded_columns(w[0], vector);
  for (std::int64_t m = 0; m < padded; ++m)
    for (std::int64_t t = 0; t < taps; ++t) to[depthwise_at(vector, m, t, taps)] = m < w[0] ? from[m * taps + t] : 0.0f;
}

// --- direct: [group][pair of vectors of filters][vector of channels][tap][channel][filter] --------------------------

MONZA_INLINE std::size_t direct_bytes(int vector, const KernelQuery& q) {
  const Shape& w = q.input(1).shape;
  const std::int64_t groups = static_cast<const ConvParams*>(q.params)->group;
  return static_cast<std::size_t>(groups * w.count(1, w.rank) * padded_columns(w[0] / groups, vector)) * sizeof(float);
}
/// visit(position in the packed form, position in the dense one, or -1 for padding) for every packed weight.
template <typename Visit>
MONZA_INLINE void each_direct_weight(int vector, const KernelQuery& q, Visit&& visit) {
  const Shape& w = q.input(1).shape;
  const std::int64_t groups = static_cast<const ConvParams*>(q.params)->group, filters = w[0] / groups, channels = w[1],
                     taps = w.count(2, w.rank), vectors = (filters + vector - 1) / vector;
  std::int64_t at = 0;
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t v = 0; v < vectors; v += 2) {
      const std::int64_t lanes = (vectors - v == 1 ? 1 : 2) * vector;
      for (std::int64_t b = 0; b < channels; b += vector)
        for (std::int64_t t = 0; t < taps; ++t)
          for (std::int64_t c = b; c < channels && c < b + vector; ++c)
            for (std::int64_t l = 0; l < lanes; ++l) {
              const std::int64_t m = v * vector + l;
              visit(at++, m < filters ? ((g * filters + m) * channels + c) * taps + t : -1);
            }
    }
}
MONZA_INLINE void pack_direct(int vector, const KernelQuery& q, std::byte* packed) noexcept {
  float* to = reinterpret_cast<float*>(packed);
  const float* dense = static_cast<const float*>(q.input(1).data);
  each_direct_weight(vector, q, [&](std::int64_t at, std::int64_t from) { to[at] = from < 0 ? 0.0f : dense[from]; });
}

}  // namespace
}  // namespace monza::ops
