// RoiAlign and MaxRoiPool: regions of an image pooled to one size.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/pool/pool.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// Four neighbours of a point and their weights.
struct Samples {
  std::int64_t y[4], x[4];
  double weight[4];
};

/// False when the point lies more than a pixel outside: it counts as 0.
bool neighbours(double y, double x, std::int64_t height, std::int64_t width, Samples& s) {
  // Written so that NaN is outside too.
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return false;
  y = std::max(y, 0.0);
  x = std::max(x, 0.0);
  auto y0 = static_cast<std::int64_t>(y), x0 = static_cast<std::int64_t>(x);
  std::int64_t y1 = y0 + 1, x1 = x0 + 1;
  if (y0 >= height - 1) {
    y1 = y0 = height - 1;
    y = static_cast<double>(y0);
  }
  if (x0 >= width - 1) {
    x1 = x0 = width - 1;
    x = static_cast<double>(x0);
  }
  const double ly = y - static_cast<double>(y0), lx = x - static_cast<double>(x0);
  s = {{y0, y0, y1, y1}, {x0, x1, x0, x1}, {(1 - ly) * (1 - lx), (1 - ly) * lx, ly * (1 - lx), ly * lx}};
  return true;
}

/// Samples [first, last) of `count` evenly spaced ones, the first at `begin`, that may lie within a pixel of [0,
/// extent]. The others count as 0: a region far larger than its image costs no more than the image.
struct SampleRange {
  std::int64_t first = 0, last = 0;
  SampleRange(double begin, double step, double count, std::int64_t extent) {
    if (!(count >= 1) || !std::isfinite(begin) || !std::isfinite(step)) return;
    double from = 0, to = count;
    if (step > 0) {
      from = std::max(from, std::floor((-1 - begin) / step) - 1);
      to = std::min(to, std::ceil((static_cast<double>(extent) - begin) / step) + 2);
    } else if (count > kMostFlat) {
      return;  // a point sampled over and over
    }
    if (!(from < to) || from > kMostFlat * kMostFlat || to > kMostFlat * kMostFlat) return;
    first = static_cast<std::int64_t>(from);
    last = static_cast<std::int64_t>(to);
  }
  static constexpr double kMostFlat = 1 << 20;
};

Status run_roi_align(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RoiParams>();
  const TensorView &x = c.in[0], &rois = c.in[1], &batch = c.in[2], &out = c.out[0];
  const ElementAccess &access = element_access(x.dtype), &batches = element_access(batch.dtype);
  const std::int64_t height = x.shape[2], width = x.shape[3], bins_y = out.shape[2], bins_x = out.shape[3];
  for (std::int64_t r = 0; r < out.shape[0]; ++r) {
    const std::int64_t n = batches.load_int(batch.data, r * batch.stride[0]);
    if (n < 0 || n >= x.shape[0]) return {StatusCode::out_of_range, "RoiAlign: a batch index is out of range"};
  }
  parallel_for(*c.parallel, out.shape[0] * out.shape[1], [&](std::int64_t task, int) {
    const std::int64_t r = task / out.shape[1], channel = task % out.shape[1];
    const std::int64_t n = batches.load_int(batch.data, r * batch.stride[0]);
    const auto edge = [&](int i) {
      return access.load(rois.data, r * rois.stride[0] + i * rois.stride[1]) * p.spatial_scale;
    };
    const double shift = p.half_pixel ? 0.5 : 0;
    const double x0 = edge(0) - shift, y0 = edge(1) - shift;
    double w = edge(2) - shift - x0, h = edge(3) - shift - y0;
    if (!p.half_pixel) {
      w = std::max(w, 1.0);
      h = std::max(h, 1.0);
    }
    const double bin_h = h / static_cast<double>(bins_y), bin_w = w / static_cast<double>(bins_x);
    const double grid_y = p.sampling_ratio > 0 ? p.sampling_ratio : std::ceil(bin_h);
    const double grid_x = p.sampling_ratio > 0 ? p.sampling_ratio : std::ceil(bin_w);
    const std::int64_t base = n * x.stride[0] + channel * x.stride[1];
    for (std::int64_t by = 0; by < bins_y; ++by)
      for (std::int64_t bx = 0; bx < bins_x; ++bx) {
        double sum = 0, best = 0;
        const auto at = [](double origin, double bin, std::int64_t b, double i, double grid) {
          return origin + bin * (static_cast<double>(b) + (i + 0.5) / grid);
        };
        const SampleRange ys(at(y0, bin_h, by, 0, grid_y), bin_h / grid_y, grid_y, height);
        const SampleRange xs(at(x0, bin_w, bx, 0, grid_x), bin_w / grid_x, grid_x, width);
        // Samples left out are zeros, also for the maximum.
        bool any = static_cast<double>(ys.last - ys.first) < grid_y || static_cast<double>(xs.last - xs.first) < grid_x;
        for (std::int64_t iy = ys.first; iy < ys.last; ++iy)
          for (std::int64_t ix = xs.first; ix < xs.last; ++ix) {
            const double sy = at(y0, bin_h, by, static_cast<double>(iy), grid_y);
            const double sx = at(x0, bin_w, bx, static_cast<double>(ix), grid_x);
            Samples s;
            double value = 0, highest = 0;
            if (neighbours(sy, sx, height, width, s))
              for (int k = 0; k < 4; ++k) {
                const double v = s.weight[k] * access.load(x.data, base + s.y[k] * x.stride[2] + s.x[k] * x.stride[3]);
                value += v;
                // The maximum is over the weighted neighbours, as the operator's definition has it.
                highest = k == 0 ? v : std::max(highest, v);
              }
            sum += value;
            best = any ? std::max(best, highest) : highest;
            any = true;
          }
        const double count = std::max(grid_y * grid_x, 1.0);
        access.store(out.data, r * out.stride[0] + channel * out.stride[1] + by * out.stride[2] + bx * out.stride[3],
                     p.max ? best : sum / count);
      }
  });
  return {};
}

Status run_max_roi_pool(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RoiParams>();
  const TensorView &x = c.in[0], &rois = c.in[1], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const std::int64_t height = x.shape[2], width = x.shape[3], bins_y = out.shape[2], bins_x = out.shape[3];
  const auto field = [&](std::int64_t r, int i) {
    return access.load(rois.data, r * rois.stride[0] + i * rois.stride[1]);
  };
  for (std::int64_t r = 0; r < out.shape[0]; ++r)
    if (!(field(r, 0) >= 0 && field(r, 0) < static_cast<double>(x.shape[0])))
      return {StatusCode::out_of_range, "MaxRoiPool: a batch index is out of range"};
  for (std::int64_t r = 0; r < out.shape[0]; ++r) {
    const auto n = static_cast<std::int64_t>(field(r, 0));
    // Edges far outside of any image stay there, and NaN becomes one of them.
    const auto edge = [&](int i) {
      constexpr double kFar = 1e9;
      const double at = std::round(field(r, i) * p.spatial_scale);
      return static_cast<std::int64_t>(at > -kFar ? std::min(at, kFar) : -kFar);
    };
    const std::int64_t x0 = edge(1), y0 = edge(2), w = std::max<std::int64_t>(edge(3) - x0 + 1, 1),
                       h = std::max<std::int64_t>(edge(4) - y0 + 1, 1);
    const double bin_h = static_cast<double>(h) / static_cast<double>(bins_y),
                 bin_w = static_cast<double>(w) / static_cast<double>(bins_x);
    const auto clamp = [](double v, std::int64_t high) {
      return std::min(std::max<std::int64_t>(static_cast<std::int64_t>(v), 0), high);
    };
    for (std::int64_t channel = 0; channel < out.shape[1]; ++channel)
      for (std::int64_t by = 0; by < bins_y; ++by)
        for (std::int64_t bx = 0; bx < bins_x; ++bx) {
          const std::int64_t ys = clamp(std::floor(static_cast<double>(by) * bin_h) + static_cast<double>(y0), height);
          const std::int64_t ye =
              clamp(std::ceil(static_cast<double>(by + 1) * bin_h) + static_cast<double>(y0), height);
          const std::int64_t xs = clamp(std::floor(static_cast<double>(bx) * bin_w) + static_cast<double>(x0), width);
          const std::int64_t xe =
              clamp(std::ceil(static_cast<double>(bx + 1) * bin_w) + static_cast<double>(x0), width);
          double best = 0;
          for (std::int64_t y = ys; y < ye; ++y)
            for (std::int64_t xx = xs; xx < xe; ++xx) {
              const double v =
                  access.load(x.data, n * x.stride[0] + channel * x.stride[1] + y * x.stride[2] + xx * x.stride[3]);
              best = y == ys && xx == xs ? v : std::max(best, v);
            }
          access.store(out.data, r * out.stride[0] + channel * out.stride[1] + by * out.stride[2] + bx * out.stride[3],
                       best);
        }
  }
  return {};
}

}  // namespace

extern const Kernel roi_align_ref = reference_kernel("roi_align_ref", "RoiAlign", run_roi_align);
extern const Kernel max_roi_pool_ref = reference_kernel("max_roi_pool_ref", "MaxRoiPool", run_max_roi_pool);

}  // namespace monza::ops
