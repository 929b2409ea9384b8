// The same product with pairs of bf16 factors, summed in f32: twice the rate of f32 (vdpbf16ps).
#include <cstring>

#include "ops/matmul/gemm.simd.h"

namespace monza::ops {
namespace {

/// Round to nearest, ties to even; NaN stays NaN.
std::uint16_t to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// Rows [k0, k0 + kc) of B, k0 even: row pairs, each lane the pair's two elements; an odd last row pairs with zeros.
void pack_b_pairs(const float* b, std::int64_t sk, std::int64_t sn, std::int64_t k0, std::int64_t kc, std::int64_t n,
                  float* packed) noexcept {
  const std::int64_t padded = padded_columns(n, Vec::kWidth), total = padded / Vec::kWidth;
  std::uint16_t* to = reinterpret_cast<std::uint16_t*>(packed + k0 / 2 * padded);
  for (std::int64_t v = 0; v < total;) {
    const int vecs = panel_vectors(v, total);
    for (std::int64_t k = k0; k < k0 + kc; k += 2)
      for (std::int64_t j = v * Vec::kWidth; j < (v + vecs) * Vec::kWidth; ++j)
        for (std::int64_t i = k; i < k + 2; ++i)
          *to++ = i < k0 + kc && j < n ? to_bf16(b[i * sk + j * sn]) : std::uint16_t{0};
    v += vecs;
  }
}

}  // namespace

const GemmTable gemm_avx512bf16{Vec::kWidth, gemm_step, pack_b_pairs};

}  // namespace monza::ops
