// The inverses of the packed layouts of B.
#include "kernel/packed_format.h"
#include "ops/matmul/matmul_weight.simd.h"

namespace monza::ops {
namespace {

template <int kVector>
std::size_t matmul_bytes(const KernelQuery& q, int) noexcept {
  if (q.input(1).dtype != DType::f32 || q.input(1).shape.rank < 1) return kNeverPacked;
  const WeightShape w = weight_shape(q);
  return static_cast<std::size_t>(w.matrices) * packed_b_bytes(w.k, w.n, kVector);
}

template <int kVector>
void unpack_matmul(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  const WeightShape w = weight_shape(q);
  const std::int64_t total = padded_columns(w.n, kVector) / kVector, each = k_block(w.k);
  const float* from = reinterpret_cast<const float*>(packed);
  for (std::int64_t i = 0; i < w.matrices; ++i) {
    float* to = static_cast<float*>(dense) + i * w.k * w.n;
    for (std::int64_t k0 = 0; k0 < w.k; k0 += each)
      for (std::int64_t v = 0; v < total; v += panel_vectors(v, total)) {
        const std::int64_t width = panel_vectors(v, total) * kVector, n0 = v * kVector;
        for (std::int64_t k = k0; k < w.k && k < k0 + each; ++k, from += width)
          for (std::int64_t j = 0; j < width && n0 + j < w.n; ++j) to[k * w.sk + (n0 + j) * w.sn] = from[j];
      }
  }
}

}  // namespace

const PackedFormat matmul_panels_8{"matmul_panels_8", matmul_bytes<8>, unpack_matmul<8>};
const PackedFormat matmul_panels_16{"matmul_panels_16", matmul_bytes<16>, unpack_matmul<16>};

constexpr const PackedFormat* kMatmulPackedFormats[] = {&matmul_panels_8, &matmul_panels_16};
extern const PackedFormatList matmul_packed_formats{kMatmulPackedFormats};

}  // namespace monza::ops
