// The implicit product with bf16 factors: pixels are rounded as they are gathered, weights when they are packed.
#include "ops/conv/conv_gemm.simd.h"

namespace monza::ops {
namespace {

std::int64_t group_floats(const Shape& w, std::int64_t groups) {
  return (w.count(1, w.rank) + 1) / 2 * padded_columns(w[0] / groups, Vec::kWidth);
}
std::size_t bytes(const KernelQuery& q) noexcept {
  const std::int64_t groups = static_cast<const ConvParams*>(q.params)->group;
  return static_cast<std::size_t>(groups * group_floats(q.input(1).shape, groups)) * sizeof(float);
}
void pack(const KernelQuery& q, std::byte* packed) noexcept {
  const Shape& w = q.input(1).shape;
  const std::int64_t groups = static_cast<const ConvParams*>(q.params)->group;
  const std::int64_t filters = w[0] / groups, channels = w[1], taps = w.count(2, w.rank), k = channels * taps;
  const std::int64_t each = k_block((k + 1) / 2) * 2;
  // Rows of K are (tap, channel): one block at a time is gathered into an order that pack_b reads with strides.
  float block[kKc * 2];
  for (std::int64_t g = 0; g < groups; ++g) {
    const float* from = static_cast<const float*>(q.input(1).data) + g * filters * k;
    float* to = reinterpret_cast<float*>(packed) + g * group_floats(w, groups);
    std::uint16_t* halves = reinterpret_cast<std::uint16_t*>(to);
    const std::int64_t padded = padded_columns(filters, Vec::kWidth), total = padded / Vec::kWidth;
    for (std::int64_t i = 0; i < (k + 1) / 2 * padded * 2; ++i) halves[i] = 0;
    for (std::int64_t k0 = 0; k0 < k; k0 += each) {
      const std::int64_t kc = k - k0 < each ? k - k0 : each, pairs = (kc + 1) / 2;
      for (std::int64_t v = 0; v < total;) {
        const int vecs = panel_vectors(v, total);
        const std::int64_t width = vecs * Vec::kWidth, n0 = v * Vec::kWidth;
        std::uint16_t* panel = halves + 2 * packed_b_offset(k0 / 2, pairs, n0, filters, Vec::kWidth);
        for (std::int64_t j = 0; j < width && n0 + j < filters; ++j) {
          for (std::int64_t i = 0; i < kc; ++i)
            block[i] = from[((n0 + j) * channels + (k0 + i) % channels) * taps + (k0 + i) / channels];
          std::uint16_t rounded[kKc * 2 + Vec::kWidth];
          copy_run(rounded, block, kc);
          for (std::int64_t i = 0; i < kc; ++i) panel[(i / 2 * width + j) * 2 + i % 2] = rounded[i];
        }
        v += vecs;
      }
    }
  }
}
// Rounded weights have no inverse.
constexpr Packing kPairPacking{.input = 1, .bytes = bytes, .pack = pack};

}  // namespace

extern const Kernel conv_gemm_avx512bf16 = conv_gemm_kernel<gemm_avx512bf16>(
    "conv_gemm_avx512bf16", Isa::avx2 | Isa::avx512 | Isa::avx512bf16, kPairPacking, {Precision::bf16, DType::f32});

}  // namespace monza::ops
