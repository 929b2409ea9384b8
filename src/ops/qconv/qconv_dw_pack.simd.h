// Packed depthwise weights, shared by the depthwise kernels.
#pragma once

#include "ops/qconv/qconv_shape.simd.h"

namespace monza::ops {
namespace {

inline constexpr std::int64_t kDwBlock = Q::kLanes * 4;  ///< channels of a block

/// Packed: per block of channels, per group of four taps, four registers of weights; then the sums, one a channel.
/// Groups are taps in order, but the columns of a 3 x 3 window each with a tap of zeros: then neighbouring pixels share
/// them. A block of few channels holds them several times, for as many output lines at once.
struct DwPack {
  std::int64_t channels, taps;
  bool columns;  ///< a 3 x 3 window
  MONZA_INLINE std::int64_t blocks() const { return (channels + kDwBlock - 1) / kDwBlock; }
  MONZA_INLINE std::int64_t quads() const { return (taps + 3) / 4; }
  MONZA_INLINE std::int64_t block_bytes() const { return quads() * kDwBlock * 4; }
  MONZA_INLINE std::int64_t sums_at() const { return blocks() * block_bytes(); }
  MONZA_INLINE std::int64_t bytes() const { return sums_at() + blocks() * kDwBlock * 4; }
  /// Channels of a block that exist.
  MONZA_INLINE std::int64_t width(std::int64_t block) const {
    return channels - block * kDwBlock < kDwBlock ? channels - block * kDwBlock : kDwBlock;
  }
  /// How often a block holds its channels.
  MONZA_INLINE int pieces(std::int64_t block) const {
    const std::int64_t n = width(block);
    if (Q::kMostPieces == 4 && n <= kDwBlock / 4) return 4;
    return n <= kDwBlock / 2 ? 2 : 1;
  }
  /// A tap's place among the groups of four.
  MONZA_INLINE std::int64_t slot(std::int64_t tap) const { return columns ? tap % 3 * 4 + tap / 3 : tap; }
  /// unpack instructions work within 128 bits: register k, lane i holds byte 16 (i / 4) + 4 k + i % 4 of its block.
  MONZA_INLINE std::int64_t at(std::int64_t channel, std::int64_t tap, int piece) const {
    const std::int64_t block = channel / kDwBlock, in = channel % kDwBlock + piece * (kDwBlock / pieces(block)),
                       lane = in / 16 * 4 + in % 4, k = in % 16 / 4, at = slot(tap);
    return block * block_bytes() + ((at / 4 * 4 + k) * Q::kLanes + lane) * 4 + at % 4;
  }
};

MONZA_INLINE DwPack dw_pack_of(const Shape& w) {
  return {w[0], w.count(2, w.rank), w.rank == 4 && w[2] == 3 && w[3] == 3};
}

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
template <int kW>
void dw_unpack_weights(const KernelQuery& query, const std::byte* packed, void* dense) noexcept {
  const DwPack k = dw_pack_of(query.in[kW].shape);
  const std::uint8_t flip = query.in[kW].dtype == DType::u8 ? 0x80 : 0;
  for (std::int64_t c = 0; c < k.channels; ++c)
    for (std::int64_t t = 0; t < k.taps; ++t)
      static_cast<std::uint8_t*>(dense)[c * k.taps + t] = static_cast<std::uint8_t>(packed[k.at(c, t, 0)]) ^ flip;
}

}  // namespace
}  // namespace monza::ops
