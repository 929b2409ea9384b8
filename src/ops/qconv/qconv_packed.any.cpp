// The inverses of the packed layouts of integer convolution weights.
#include "kernel/packed_format.h"
#include "ops/qconv/qconv_panels.simd.h"

namespace monza::ops {
namespace {

ConvGeometry geometry(const KernelQuery& q, int input) {
  return conv_weight_geometry(*static_cast<const QConvParams*>(q.params), q.in[input].shape);
}

bool is_weight(const KernelQuery& q, int input) {
  const OperandDesc& w = q.in[input];
  return (w.dtype == DType::i8 || w.dtype == DType::u8) && w.shape.rank >= 3;
}

template <int kLanes, bool kSplit = false>
std::size_t qconv_bytes(const KernelQuery& q, int input) noexcept {
  const auto& p = *static_cast<const QConvParams*>(q.params);
  if (!is_weight(q, input) || p.spatial < 1 || p.spatial > 2 || q.in[input].shape.rank != p.spatial + 2 ||
      p.group < 1 || q.in[input].shape[0] % p.group != 0)
    return kNeverPacked;
  return static_cast<std::size_t>(geometry(q, input).template panels<kLanes, kSplit>().bytes());
}
template <int kLanes, bool kSplit = false>
void unpack_qconv(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const ConvGeometry g = geometry(q, input);
  igemm_unpack(g.template panels<kLanes, kSplit>(), packed, q.in[input].dtype == DType::u8,
               static_cast<std::uint8_t*>(dense), ConvSource{g});
}

/// Copies of a block's channels are for the kernels: the first is enough here, however many there may be.
template <int kLanes>
auto depthwise(const KernelQuery& q, int input) {
  return depthwise_panels<kLanes, 1>(q.in[input].shape);
}
template <int kLanes>
std::size_t depthwise_bytes(const KernelQuery& q, int input) noexcept {
  if (!is_weight(q, input) || q.in[input].shape[1] != 1) return kNeverPacked;
  return static_cast<std::size_t>(depthwise<kLanes>(q, input).bytes());
}
template <int kLanes>
void unpack_depthwise(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const auto k = depthwise<kLanes>(q, input);
  const std::uint8_t flip = q.in[input].dtype == DType::u8 ? 0x80 : 0;
  for (std::int64_t c = 0; c < k.channels; ++c)
    for (std::int64_t t = 0; t < k.taps; ++t)
      static_cast<std::uint8_t*>(dense)[c * k.taps + t] = static_cast<std::uint8_t>(packed[k.at(c, t, 0)]) ^ flip;
}

}  // namespace

const PackedFormat qconv_panels_8{"qconv_panels_8", qconv_bytes<8>, unpack_qconv<8>};
const PackedFormat qconv_panels_16{"qconv_panels_16", qconv_bytes<16>, unpack_qconv<16>};
const PackedFormat qconv_split_panels_8{"qconv_split_panels_8", qconv_bytes<8, true>, unpack_qconv<8, true>};
const PackedFormat qconv_depthwise_8{"qconv_depthwise_8", depthwise_bytes<8>, unpack_depthwise<8>};
const PackedFormat qconv_depthwise_16{"qconv_depthwise_16", depthwise_bytes<16>, unpack_depthwise<16>};

constexpr const PackedFormat* kQconvPackedFormats[] = {&qconv_panels_8, &qconv_panels_16, &qconv_split_panels_8,
                                                       &qconv_depthwise_8, &qconv_depthwise_16};
extern const PackedFormatList qconv_packed_formats{kQconvPackedFormats};

}  // namespace monza::ops
