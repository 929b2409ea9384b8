// Pooling: parameters.
#pragma once

#include <cstdint>

#include "base/macros.h"

namespace monza {

/// MaxPool, AveragePool and LpPool over 1 to 3 spatial axes of x [N, C, in...]; out [N, C, out...].
struct PoolParams {
  /// How pads are found: as given, or from the extents, so that out = ceil(in / stride); then windows shorter than
  /// their stride can give pads below 0, which leave elements out at both ends.
  enum class Padding : std::int32_t { given = 0, same_upper = 1, same_lower = 2 };

  std::int32_t spatial = 2;
  std::int32_t global = 0;  ///< 1: one window over everything; the arrays below do not count
  std::int32_t kernel[3] = {1, 1, 1};
  std::int32_t stride[3] = {1, 1, 1};
  std::int32_t dilation[3] = {1, 1, 1};
  std::int32_t pad_begin[3] = {0, 0, 0};
  std::int32_t pad_end[3] = {0, 0, 0};
  Padding padding = Padding::given;
  std::int32_t count_include_pad = 0;  ///< AveragePool: padding counts among the elements divided by
  std::int32_t p = 2;                  ///< LpPool: the norm
  std::int32_t column_major = 0;       ///< MaxPool: indices count the spatial axes with the first one fastest
};

/// MaxUnpool(x, indices, output_shape?).
struct MaxUnpoolParams {
  std::int32_t spatial = 2;
  std::int32_t kernel[3] = {1, 1, 1};
  std::int32_t stride[3] = {1, 1, 1};
  std::int32_t pad_begin[3] = {0, 0, 0};
  std::int32_t pad_end[3] = {0, 0, 0};
};

/// RoiAlign(x [N, C, H, W], rois [R, 4] of x1, y1, x2, y2, batch [R]); MaxRoiPool(x, rois [R, 5], the batch first).
struct RoiParams {
  static constexpr std::int32_t kMostSamples = 128;  ///< an axis: work is its square for each element of the output

  std::int32_t max = 0;             ///< RoiAlign: maximum of the samples instead of their mean
  std::int32_t half_pixel = 1;      ///< RoiAlign: coordinates shift by half a pixel
  std::int32_t sampling_ratio = 0;  ///< RoiAlign: samples an axis in a bin; 0: ceil(bin extent)
  float spatial_scale = 1;
};

/// Extents, strides and pads of a pooling's spatial axes, padded at the front to three; element strides beside them.
struct PoolWindow {
  std::int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
};

/// The windows over spatial extents `in` giving extents `out`, each of p.spatial entries.
MONZA_INLINE PoolWindow pool_window(const PoolParams& p, const std::int64_t* in, const std::int64_t* out) {
  PoolWindow w;
  for (int i = 0; i < 3; ++i) {
    const int a = i - (3 - p.spatial);
    w.in[i] = a < 0 ? 1 : in[a];
    w.out[i] = a < 0 ? 1 : out[a];
    w.kernel[i] = a < 0 ? 1 : p.global ? in[a] : p.kernel[a];
    w.stride[i] = a < 0 || p.global ? 1 : p.stride[a];
    w.dilation[i] = a < 0 || p.global ? 1 : p.dilation[a];
    w.pad[i] = a < 0 || p.global ? 0 : p.pad_begin[a];
    w.pad_end[i] = a < 0 || p.global ? 0 : p.pad_end[a];
    if (a >= 0 && !p.global && p.padding != PoolParams::Padding::given) {
      const std::int64_t total = (w.out[i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1 - w.in[i];
      const std::int64_t half = total >> 1;  // rounded down
      w.pad[i] = p.padding == PoolParams::Padding::same_upper ? half : total - half;
      w.pad_end[i] = total - w.pad[i];
    }
  }
  return w;
}

}  // namespace monza
