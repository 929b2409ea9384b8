// Resampling: parameters. All fields are eight bytes wide, so that equal parameters have equal bytes.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/macros.h"
#include "tensor/shape.h"

namespace monza {

/// Resize(x, roi?, scales?, sizes?).
struct ResizeParams {
  enum class Mode : std::int64_t { nearest = 0, linear, cubic };
  enum class Transform : std::int64_t {
    half_pixel = 0,
    half_pixel_symmetric,
    pytorch_half_pixel,
    align_corners,
    asymmetric,
    tf_half_pixel_for_nn,
    tf_crop_and_resize
  };
  enum class Nearest : std::int64_t { round_prefer_floor = 0, round_prefer_ceil, floor, ceil };
  /// How the scale of an axis is found.
  enum class Scales : std::int64_t {
    known = 0,  ///< in `scale`
    extents,    ///< out extent / in extent
    read,       ///< read from input 2 while running; the kernel reports the extents
  };

  Mode mode = Mode::nearest;
  Transform transform = Transform::half_pixel;
  Nearest nearest = Nearest::round_prefer_floor;
  Scales scales = Scales::extents;
  std::int64_t antialias = 0;
  std::int64_t exclude_outside = 0;
  std::int64_t roi_is_input = 0;  ///< 1: the region is read from input 1 while running
  double cubic_a = -0.75;
  double extrapolation = 0;
  std::int64_t axes_count = 0;
  std::int64_t axis[kMaxRank] = {};  ///< resized axes, in the order of scales, sizes and roi
  double scale[kMaxRank] = {};       ///< of each tensor axis; 1 for axes left alone
  double roi_begin[kMaxRank] = {};   ///< of each tensor axis, normalised to [0, 1]
  double roi_end[kMaxRank] = {};
};

/// Scales that resampling takes: with them no source position leaves the range of integers.
inline constexpr double kSmallestScale = 1e-6, kLargestScale = 1e9;

/// Where output index `i` of an axis falls in the input: extents in and out, `scale` as given (out is about in *
/// scale). NaN: outside of the region of tf_crop_and_resize.
MONZA_INLINE double resize_source(ResizeParams::Transform transform, std::int64_t i, std::int64_t in, std::int64_t out,
                                  double scale, double roi_begin, double roi_end) {
  using T = ResizeParams::Transform;
  const double x = static_cast<double>(i), length = static_cast<double>(in), scaled = scale * length;
  switch (transform) {
    case T::half_pixel: return (x + 0.5) / scale - 0.5;
    case T::half_pixel_symmetric: return length / 2 * (1 - static_cast<double>(out) / scaled) + (x + 0.5) / scale - 0.5;
    case T::pytorch_half_pixel: return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case T::align_corners: return scaled == 1 || out == 1 ? 0 : x * (length - 1) / (scaled - 1);
    case T::asymmetric: return x / scale;
    case T::tf_half_pixel_for_nn: return (x + 0.5) / scale;
    case T::tf_crop_and_resize: {
      const double at = out > 1 ? roi_begin * (length - 1) + x * (roi_end - roi_begin) * (length - 1) / (scaled - 1)
                                : 0.5 * (roi_begin + roi_end) * (length - 1);
      return at < 0 || at > length - 1 ? NAN : at;
    }
  }
  return 0;
}

/// GridSample(x [N, C, in...], grid [N, out..., axes]): out [N, C, out...].
struct GridSampleParams {
  enum class Mode : std::int32_t { linear = 0, nearest, cubic };
  enum class Padding : std::int32_t { zeros = 0, border, reflection };
  Mode mode = Mode::linear;
  Padding padding = Padding::zeros;
  std::int32_t align_corners = 0;
};

/// Reflects v at the borders until it lies between them.
inline double reflected(double v, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double beyond = v < low ? low - v : v > high ? v - high : -1;
  if (beyond < 0) return v;
  const double turns = std::trunc(beyond / range), rest = beyond - turns * range;
  const bool even = std::fmod(turns, 2) == 0;
  return (v < low) == even ? low + rest : high - rest;
}

/// One axis of what is sampled.
struct SampledAxis {
  const GridSampleParams& p;
  std::int64_t extent;

  double low() const { return p.align_corners ? 0 : -0.5; }
  double high() const { return static_cast<double>(extent) - (p.align_corners ? 1 : 0.5); }

  /// Where a coordinate in [-1, 1] lies; far outside for what is no number.
  double position(double g) const {
    const double size = static_cast<double>(extent);
    double v = p.align_corners ? (g + 1) / 2 * (size - 1) : ((g + 1) * size - 1) / 2;
    if (p.mode == GridSampleParams::Mode::nearest) v = std::nearbyint(v);
    if (v < low() || v > high()) {
      if (p.padding == GridSampleParams::Padding::border) v = v < 0 ? 0 : v > size - 1 ? size - 1 : v;
      if (p.padding == GridSampleParams::Padding::reflection) v = reflected(v, low(), high());
    }
    return std::isfinite(v) && std::fabs(v) < 1e15 ? v : -1e15;
  }
  /// The index that i stands for, or -1: a zero.
  std::int64_t pixel(std::int64_t i) const {
    if (i >= 0 && i < extent) return i;
    if (p.padding == GridSampleParams::Padding::zeros) return -1;
    if (p.padding == GridSampleParams::Padding::border) return i < 0 ? 0 : extent - 1;
    const auto at = static_cast<std::int64_t>(reflected(static_cast<double>(i), low(), high()));
    return at < 0 ? 0 : at < extent ? at : extent - 1;
  }
};

/// AffineGrid(theta [N, axes, axes + 1], size?): grid [N, out..., axes].
struct AffineGridParams {
  std::int32_t align_corners = 0;
};

}  // namespace monza
