// GridSample and AffineGrid, close to their formulas; any strides.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/resize/resize.params.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

struct Sampler {
  const GridSampleParams& p;
  const TensorView& x;
  const ElementAccess& access;
  int axes;

  SampledAxis axis(int a) const { return {p, x.shape[a + 2]}; }

  /// Interpolates over axes a, a + 1, ... at `at`.
  double interpolate(const double* at, int a, std::int64_t offset) const {
    if (a == axes) return access.load(x.data, offset);
    const double base = std::floor(at[a]), r = at[a] - base;
    double weights[4];
    int count = 2;
    std::int64_t first = static_cast<std::int64_t>(base);
    switch (p.mode) {
      case GridSampleParams::Mode::nearest:
        count = 1;
        weights[0] = 1;
        break;
      case GridSampleParams::Mode::linear:
        weights[0] = 1 - r;
        weights[1] = r;
        break;
      case GridSampleParams::Mode::cubic: {
        constexpr double kA = -0.75;
        const auto far = [](double d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
        const auto near = [](double d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
        weights[0] = far(1 + r);
        weights[1] = near(r);
        weights[2] = near(1 - r);
        weights[3] = far(2 - r);
        count = 4;
        --first;
        break;
      }
    }
    double sum = 0;
    for (int k = 0; k < count; ++k) {
      const std::int64_t i = axis(a).pixel(first + k);
      if (i >= 0) sum += weights[k] * interpolate(at, a + 1, offset + i * x.stride[a + 2]);
    }
    return sum;
  }
};

Status run_grid_sample(const KernelContext& c) noexcept {
  const auto& p = c.params_as<GridSampleParams>();
  const TensorView &x = c.in[0], &grid = c.in[1], &out = c.out[0];
  const ElementAccess &access = element_access(x.dtype), &grid_access = element_access(grid.dtype);
  const int axes = x.shape.rank - 2;
  const Sampler sampler{p, x, access, axes};
  const std::int64_t channels = out.shape[1];
  parallel_for(*c.parallel, out.shape[0] * channels, [&](std::int64_t task, int) {
    const std::int64_t n = task / channels, channel = task % channels;
    Shape points;
    points.rank = axes;
    for (int a = 0; a < axes; ++a) points[a] = out.shape[a + 2];
    for (Walk<2> walk(points, grid.stride + 1, out.stride + 2); !walk.done; walk.next()) {
      double at[3];
      for (int a = 0; a < axes; ++a) {
        // The last coordinate of a grid point belongs to the first axis.
        const double g =
            grid_access.load(grid.data, n * grid.stride[0] + walk.offset[0] + (axes - 1 - a) * grid.stride[axes + 1]);
        at[a] = sampler.axis(a).position(g);
      }
      access.store(out.data, n * out.stride[0] + channel * out.stride[1] + walk.offset[1],
                   sampler.interpolate(at, 0, n * x.stride[0] + channel * x.stride[1]));
    }
  });
  return {};
}

Status run_affine_grid(const KernelContext& c) noexcept {
  const TensorView &theta = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(theta.dtype);
  const int axes = out.shape.rank - 2;
  const bool corners = c.params_as<AffineGridParams>().align_corners != 0;
  for (Walk<1> walk(out.shape, out.stride); !walk.done; walk.next()) {
    const std::int64_t row = theta.stride[0] * walk.index[0] + theta.stride[1] * walk.index[axes + 1];
    double sum = access.load(theta.data, row + axes * theta.stride[2]);
    for (int k = 0; k < axes; ++k) {
      // Coordinate k runs along spatial axis axes - 1 - k.
      const int a = axes - k;
      const double extent = static_cast<double>(out.shape[a]), i = static_cast<double>(walk.index[a]);
      const double at = !corners ? (2 * i + 1) / extent - 1 : extent > 1 ? 2 * i / (extent - 1) - 1 : -1;
      sum += at * access.load(theta.data, row + k * theta.stride[2]);
    }
    access.store(out.data, walk.offset[0], sum);
  }
  return {};
}

}  // namespace

extern const Kernel grid_sample_ref = reference_kernel("grid_sample_ref", "GridSample", run_grid_sample);
extern const Kernel affine_grid_ref = reference_kernel("affine_grid_ref", "AffineGrid", run_affine_grid);

}  // namespace monza::ops
