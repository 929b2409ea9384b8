// How the weights of integer convolutions lie in memory, over the number of sums in a vector.
#pragma once

#include "ops/qconv/qconv.params.h"
#include "ops/qmatmul/igemm_panels.simd.h"

namespace monza::ops {

// Defined in qconv_packed.any.cpp.
extern const PackedFormat qconv_panels_8, qconv_panels_16, qconv_split_panels_8, qconv_depthwise_8, qconv_depthwise_16;

namespace {

/// The convolution with one-dimensional ones as a height of 1.
struct ConvGeometry {
  std::int64_t batch, channels, height, width;  ///< channels of one group
  std::int64_t filters, out_h, out_w;           ///< filters of one group
  std::int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
  std::int64_t groups;
  bool merged;  ///< a tap is a row of the kernel over a padded copy
  MONZA_INLINE std::int64_t padded_h() const { return (out_h - 1) * stride_h + (kh - 1) * dilation_h + 1; }
  MONZA_INLINE std::int64_t padded_w() const { return (out_w - 1) * stride_w + kw; }
  template <int kLanes, bool kSplit>
  MONZA_INLINE IgemmPanels<kLanes, kSplit> panels() const {
    if (merged) return {.groups = 1, .columns = filters, .taps = kh, .depth = kw * channels};
    return {.groups = groups, .columns = filters, .taps = kh * kw, .depth = channels};
  }
};

/// What the weights [M, C / group, k...] and the parameters alone decide; the rest is 0.
MONZA_INLINE ConvGeometry conv_weight_geometry(const QConvParams& p, const Shape& w) {
  ConvGeometry g{};
  g.groups = p.group;
  g.channels = w[1];
  g.filters = w[0] / p.group;
  g.kh = g.dilation_h = 1;
  g.kw = w[w.rank - 1];
  g.dilation_w = p.dilation[p.spatial - 1];
  if (p.spatial == 2) {
    g.kh = w[2];
    g.dilation_h = p.dilation[0];
  }
  g.merged = g.groups == 1 && g.channels % 4 != 0 && g.kw > 1 && g.dilation_w == 1;
  return g;
}

/// Offset in the dense weights [M, C / group, kh, kw].
struct ConvSource {
  ConvGeometry g;
  MONZA_INLINE std::int64_t operator()(std::int64_t group, std::int64_t n, std::int64_t tap, std::int64_t d) const {
    const std::int64_t filter = group * g.filters + n;
    if (g.merged) return ((filter * g.channels + d % g.channels) * g.kh + tap) * g.kw + d / g.channels;
    return (filter * g.channels + d) * g.kh * g.kw + tap;
  }
};

/// Packed: per block of channels, per group of four taps, four registers of weights; then the sums, one a channel.
/// Groups are taps in order, but the columns of a 3 x 3 window each with a tap of zeros: then neighbouring pixels share
/// them. A block of few channels holds them several times, for as many output lines at once.
template <int kLanes, int kMostPieces>
struct DwPanels {
  static constexpr std::int64_t kBlock = kLanes * 4;  ///< channels of a block
  std::int64_t channels, taps;
  bool columns;  ///< a 3 x 3 window
  MONZA_INLINE std::int64_t blocks() const { return (channels + kBlock - 1) / kBlock; }
  MONZA_INLINE std::int64_t quads() const { return (taps + 3) / 4; }
  MONZA_INLINE std::int64_t block_bytes() const { return quads() * kBlock * 4; }
  MONZA_INLINE std::int64_t sums_at() const { return blocks() * block_bytes(); }
  MONZA_INLINE std::int64_t bytes() const { return sums_at() + blocks() * kBlock * 4; }
  /// Channels of a block that exist.
  MONZA_INLINE std::int64_t width(std::int64_t block) const {
    return channels - block * kBlock < kBlock ? channels - block * kBlock : kBlock;
  }
  /// How often a block holds its channels.
  MONZA_INLINE int pieces(std::int64_t block) const {
    const std::int64_t n = width(block);
    if (kMostPieces == 4 && n <= kBlock / 4) return 4;
    return n <= kBlock / 2 ? 2 : 1;
  }
  /// A tap's place among the groups of four.
  MONZA_INLINE std::int64_t slot(std::int64_t tap) const { return columns ? tap % 3 * 4 + tap / 3 : tap; }
  /// unpack instructions work within 128 bits: register k, lane i holds byte 16 (i / 4) + 4 k + i % 4 of its block.
  MONZA_INLINE std::int64_t at(std::int64_t channel, std::int64_t tap, int piece) const {
    const std::int64_t block = channel / kBlock, in = channel % kBlock + piece * (kBlock / pieces(block)),
                       lane = in / 16 * 4 + in % 4, k = in % 16 / 4, at = slot(tap);
    return block * block_bytes() + ((at / 4 * 4 + k) * kLanes + lane) * 4 + at % 4;
  }
};

template <int kLanes, int kMostPieces>
MONZA_INLINE DwPanels<kLanes, kMostPieces> depthwise_panels(const Shape& w) {
  return {w[0], w.count(2, w.rank), w.rank == 4 && w[2] == 3 && w[3] == 3};
}

}  // namespace
}  // namespace monza::ops
