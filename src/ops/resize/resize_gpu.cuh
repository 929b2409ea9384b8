// Positions in double on a GPU, each operation rounded once, as on the host: where a position is half way between two
// pixels its last bit decides, and a fused multiplication and addition would change it.
#pragma once

#include <cmath>

#include "ops/resize/resize.params.h"

namespace monza::gpu {

__device__ inline double resize_position(ResizeParams::Transform transform, std::int64_t i, std::int64_t in,
                                         std::int64_t out, double scale, double roi_begin, double roi_end) {
  using T = ResizeParams::Transform;
  const double x = static_cast<double>(i), length = static_cast<double>(in), scaled = __dmul_rn(scale, length);
  if (transform == T::half_pixel_symmetric) {
    const double shift = __dmul_rn(length / 2, __dadd_rn(1, -(static_cast<double>(out) / scaled)));
    return __dadd_rn(__dadd_rn(shift, (x + 0.5) / scale), -0.5);
  }
  if (transform == T::tf_crop_and_resize) {
    const double first = __dmul_rn(roi_begin, length - 1);
    const double at =
        out > 1 ? __dadd_rn(first, __dmul_rn(__dmul_rn(x, roi_end - roi_begin), length - 1) / __dadd_rn(scaled, -1))
                : __dmul_rn(__dmul_rn(0.5, roi_begin + roi_end), length - 1);
    return at < 0 || at > length - 1 ? NAN : at;
  }
  if (transform == T::align_corners)
    return scaled == 1 || out == 1 ? 0 : __dmul_rn(x, length - 1) / __dadd_rn(scaled, -1);
  return resize_source(transform, i, in, out, scale, roi_begin, roi_end);  // these multiply nothing
}

}  // namespace monza::gpu
