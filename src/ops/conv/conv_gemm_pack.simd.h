// Packing of convolution weights into the panels of the matrix product, f32.
#pragma once

#include "kernel/kernel.h"
#include "ops/conv/conv.params.h"
#include "ops/matmul/gemm_table.simd.h"

namespace monza::ops {
namespace {

// --- weights: [M, C / group, k...] to one packed B per group, K ordered (taps, channel) -----------------------------

std::size_t weight_bytes(const GemmTable& table, const KernelQuery& q) {
  const Shape& w = q.input(1).shape;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const std::int64_t filters = w[0] / p.group;
  return static_cast<std::size_t>(p.group) * packed_b_bytes(w.count(1, w.rank), filters, table.width);
}

/// Packing works on whole rows of K for one tap at a time: element (c, m) of tap t lies at w[(m * C + c) * taps + t].
template <bool kPack>
void repack_weight(const GemmTable& table, const KernelQuery& q, const float* from, float* to) {
  const Shape& w = q.input(1).shape;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const std::int64_t filters = w[0] / p.group, channels = w[1], taps = w.count(2, w.rank), k = taps * channels;
  const std::int64_t padded = padded_columns(filters, table.width), total = padded / table.width, each = k_block(k);
  for (std::int64_t g = 0; g < p.group; ++g) {
    const std::int64_t dense_base = g * filters * k, packed_base = g * k * padded;
    for (std::int64_t k0 = 0; k0 < k; k0 += each) {
      const std::int64_t kc = k - k0 < each ? k - k0 : each;
      for (std::int64_t v = 0; v < total;) {
        const int vecs = panel_vectors(v, total);
        const std::int64_t width = vecs * table.width, n0 = v * table.width;
        const std::int64_t panel = packed_base + packed_b_offset(k0, kc, n0, filters, table.width);
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

}  // namespace
}  // namespace monza::ops
