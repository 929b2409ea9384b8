// The inverses of the packed layouts of convolution weights.
#include "kernel/packed_format.h"
#include "ops/conv/conv_gemm_pack.simd.h"

namespace monza::ops {
namespace {

bool is_weight(const KernelQuery& q) { return q.input(1).dtype == DType::f32 && q.input(1).shape.rank >= 3; }

bool is_grouped_weight(const KernelQuery& q) {
  const std::int64_t groups = static_cast<const ConvParams*>(q.params)->group;
  return is_weight(q) && groups >= 1 && q.input(1).shape[0] % groups == 0;
}

template <int kVector>
std::size_t panels_bytes(const KernelQuery& q, int) noexcept {
  return is_grouped_weight(q) ? weight_bytes(kVector, q) : kNeverPacked;
}
template <int kVector>
void unpack_panels(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  repack_weight<false>(kVector, q, reinterpret_cast<const float*>(packed), static_cast<float*>(dense));
}

template <int kVector>
std::size_t image_bytes_of(const KernelQuery& q, int) noexcept {
  return is_weight(q) ? image_bytes(kVector, q) : kNeverPacked;
}
template <int kVector>
void unpack_image(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  const Shape& w = q.input(1).shape;
  const std::int64_t taps = w.count(1, w.rank), vectors = padded_columns(w[0], kVector) / kVector;
  for (std::int64_t m = 0; m < w[0]; ++m)
    for (std::int64_t t = 0; t < taps; ++t)
      static_cast<float*>(dense)[m * taps + t] =
          reinterpret_cast<const float*>(packed)[image_at(kVector, m, t, taps, vectors)];
}

template <int kVector>
std::size_t depthwise_bytes_of(const KernelQuery& q, int) noexcept {
  return is_weight(q) && q.input(1).shape[1] == 1 ? depthwise_bytes(kVector, q) : kNeverPacked;
}
template <int kVector>
void unpack_depthwise(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  const Shape& w = q.input(1).shape;
  const std::int64_t taps = w.count(2, w.rank);
  for (std::int64_t m = 0; m < w[0]; ++m)
    for (std::int64_t t = 0; t < taps; ++t)
      static_cast<float*>(dense)[m * taps + t] =
          reinterpret_cast<const float*>(packed)[depthwise_at(kVector, m, t, taps)];
}

template <int kVector>
std::size_t direct_bytes_of(const KernelQuery& q, int) noexcept {
  return is_grouped_weight(q) ? direct_bytes(kVector, q) : kNeverPacked;
}
template <int kVector>
void unpack_direct(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  each_direct_weight(kVector, q, [&](std::int64_t at, std::int64_t to) {
    if (to >= 0) static_cast<float*>(dense)[to] = reinterpret_cast<const float*>(packed)[at];
  });
}

}  // namespace

const PackedFormat conv_panels_8{"conv_panels_8", panels_bytes<8>, unpack_panels<8>};
const PackedFormat conv_panels_16{"conv_panels_16", panels_bytes<16>, unpack_panels<16>};
const PackedFormat conv_image_8{"conv_image_8", image_bytes_of<8>, unpack_image<8>};
const PackedFormat conv_image_16{"conv_image_16", image_bytes_of<16>, unpack_image<16>};
const PackedFormat conv_depthwise_8{"conv_depthwise_8", depthwise_bytes_of<8>, unpack_depthwise<8>};
const PackedFormat conv_depthwise_16{"conv_depthwise_16", depthwise_bytes_of<16>, unpack_depthwise<16>};
const PackedFormat conv_direct_8{"conv_direct_8", direct_bytes_of<8>, unpack_direct<8>};
const PackedFormat conv_direct_16{"conv_direct_16", direct_bytes_of<16>, unpack_direct<16>};

constexpr const PackedFormat* kConvPackedFormats[] = {&conv_panels_8, &conv_panels_16,   &conv_image_8,
                                                      &conv_image_16, &conv_depthwise_8, &conv_depthwise_16,
                                                      &conv_direct_8, &conv_direct_16};
extern const PackedFormatList conv_packed_formats{kConvPackedFormats};

}  // namespace monza::ops
