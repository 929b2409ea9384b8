// Packed depthwise weights, shared by the depthwise kernels.
#pragma once

#include "ops/qconv/qconv_shape.simd.h"

namespace monza::ops {
namespace {

inline constexpr std::int64_t kDwBlock = Q::kLanes * 4;  ///< channels of a block

using DwPack = DwPanels<Q::kLanes, Q::kMostPieces>;

MONZA_INLINE DwPack dw_pack_of(const Shape& w) { return depthwise_panels<Q::kLanes, Q::kMostPieces>(w); }

template <int kW>
std::size_t dw_bytes(const KernelQuery& query) noexcept {
  return static_cast<std::size_t>(dw_pack_of(query.in[kW].shape).bytes());
}
template <int kW>
void dw_pack_weights(const KernelQuery& query, std::byte* packed) noexcept {
  const DwPack k = dw_pack_of(query.in[kW].shape);
  const auto* dense = static_cast<const std::uint8_t*>(query.in[kW].data);
  const std::uint8_t flip = query.in[kW].dtype == DType::u8 ? 0x80 : 0;
  __builtin_memset(packed, 0, static_cast<std::size_t>(k.bytes()));
  auto* sums = reinterpret_cast<std::int32_t*>(packed + k.sums_at());
  for (std::int64_t c = 0; c < k.channels; ++c)
    for (std::int64_t t = 0; t < k.taps; ++t) {
      const std::uint8_t value = dense[c * k.taps + t] ^ flip;
      for (int piece = 0; piece < k.pieces(c / kDwBlock); ++piece)
        packed[k.at(c, t, piece)] = static_cast<std::byte>(value);
      sums[c] += static_cast<std::int8_t>(value);
    }
}

}  // namespace
}  // namespace monza::ops
