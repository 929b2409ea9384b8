// Packing of B into panels, f32.
#pragma once

#include "ops/matmul/gemm_table.simd.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

void pack_b(const float* b, std::int64_t sk, std::int64_t sn, std::int64_t k0, std::int64_t kc, std::int64_t n,
            float* packed) noexcept {
  const std::int64_t padded = padded_columns(n, Vec::kWidth), total = padded / Vec::kWidth;
  std::int64_t at = k0 * padded;
  for (std::int64_t v = 0; v < total;) {
    const int vecs = panel_vectors(v, total);
    const std::int64_t width = vecs * Vec::kWidth, c0 = v * Vec::kWidth;
    const std::int64_t lanes = n - c0 < width ? n - c0 : width;
    for (std::int64_t k = 0; k < kc; ++k, at += width) {
      const std::int64_t dense = (k0 + k) * sk + c0 * sn;
      if (sn == 1) {
        for (std::int64_t j = 0; j < width; j += Vec::kWidth) {
          const std::int64_t rest = lanes - j < 0 ? 0 : lanes - j;
          Vec::load(b + dense + j, Vec::mask(rest < Vec::kWidth ? rest : Vec::kWidth)).store(packed + at + j);
        }
      } else {
        for (std::int64_t j = 0; j < lanes; ++j) packed[at + j] = b[dense + j * sn];
        for (std::int64_t j = lanes; j < width; ++j) packed[at + j] = 0;
      }
    }
    v += vecs;
  }
}

}  // namespace
}  // namespace monza::ops
