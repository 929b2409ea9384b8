// Layouts of convolution weights that GPU kernels read. Filters and channels are those of one group.
#pragma once

#include <cstdint>

#include "base/macros.h"
#include "ops/conv/conv.params.h"

namespace monza::ops {

/// [group][tap, channel][filter]: rows of filters, for kernels that multiply scalars. Padded with zeros to whole slices
/// of rows and whole warps of filters.
struct ConvColumns {
  static constexpr std::int64_t kSlice = 16, kFilters = 32;
  std::int64_t groups, filters, channels, taps;
  MONZA_INLINE ConvColumns(const ConvParams& p, const Shape& w)
      : groups(p.group), filters(w[0] / p.group), channels(w[1]), taps(w.count(2, w.rank)) {}
  MONZA_INLINE std::int64_t rows() const { return (taps * channels + kSlice - 1) / kSlice * kSlice; }
  MONZA_INLINE std::int64_t width() const { return (filters + kFilters - 1) / kFilters * kFilters; }
  MONZA_INLINE std::int64_t count() const { return groups * rows() * width(); }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t m, std::int64_t channel, std::int64_t tap) const {
    return (g * rows() + tap * channels + channel) * width() + m;
  }
};

/// [group][filter][tap, channel]: rows of factors, for tensor cores. Padded with zeros to whole slices of factors and
/// whole tiles of filters.
struct ConvRows {
  static constexpr std::int64_t kSlice = 32, kFilters = 8;
  std::int64_t groups, filters, channels, taps;
  MONZA_INLINE ConvRows(const ConvParams& p, const Shape& w)
      : groups(p.group), filters(w[0] / p.group), channels(w[1]), taps(w.count(2, w.rank)) {}
  MONZA_INLINE std::int64_t rows() const { return (filters + kFilters - 1) / kFilters * kFilters; }
  MONZA_INLINE std::int64_t width() const { return (taps * channels + kSlice - 1) / kSlice * kSlice; }
  MONZA_INLINE std::int64_t count() const { return groups * rows() * width(); }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t m, std::int64_t channel, std::int64_t tap) const {
    return (g * rows() + m) * width() + tap * channels + channel;
  }
};

/// [filter][tap][channel] without padding, filters of all groups in turn: what libraries read.
struct ConvFilters {
  std::int64_t groups, filters, channels, taps;
  MONZA_INLINE ConvFilters(const ConvParams& p, const Shape& w)
      : groups(p.group), filters(w[0] / p.group), channels(w[1]), taps(w.count(2, w.rank)) {}
  MONZA_INLINE std::int64_t count() const { return groups * filters * taps * channels; }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t m, std::int64_t channel, std::int64_t tap) const {
    return ((g * filters + m) * taps + tap) * channels + channel;
  }
};

/// [filter][row of taps][tap, channel]: of pictures, whose pixels have at most 4 channels: a tap is 4 factors, a row of
/// taps whole steps of tensor cores. Zeros where there is no channel or tap.
struct ConvPatchRows {
  static constexpr std::int64_t kChannels = 4, kStep = 16, kFilters = 16;
  std::int64_t groups = 1, filters, channels, taps, columns;
  MONZA_INLINE ConvPatchRows(const ConvParams&, const Shape& w)
      : filters(w[0]), channels(w[1]), taps(w.count(2, w.rank)), columns(w[w.rank - 1]) {}
  /// Factors of a row of taps.
  MONZA_INLINE std::int64_t row() const { return (columns * kChannels + kStep - 1) / kStep * kStep; }
  MONZA_INLINE std::int64_t width() const { return taps / columns * row(); }
  MONZA_INLINE std::int64_t count() const { return (filters + kFilters - 1) / kFilters * kFilters * width(); }
  MONZA_INLINE std::int64_t at(std::int64_t, std::int64_t m, std::int64_t channel, std::int64_t tap) const {
    return m * width() + tap / columns * row() + tap % columns * kChannels + channel;
  }
};

/// [tap][channel] of a depthwise weight (one filter a group), padded with zeros to whole vectors of channels.
struct ConvTaps {
  static constexpr std::int64_t kChannels = 8;
  std::int64_t groups, taps;
  std::int64_t filters = 1, channels = 1;
  MONZA_INLINE ConvTaps(const ConvParams& p, const Shape& w) : groups(p.group), taps(w.count(2, w.rank)) {}
  MONZA_INLINE std::int64_t width() const { return (groups + kChannels - 1) / kChannels * kChannels; }
  MONZA_INLINE std::int64_t count() const { return taps * width(); }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t, std::int64_t, std::int64_t tap) const {
    return tap * width() + g;
  }
};

}  // namespace monza::ops
