// Plain resampling: each output element a weighted sum over the taps of every resized axis, in double; any strides.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/resize/resize.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

double cubic(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// The taps of one output index on one axis: input indices first, first + 1, ... and how their weights are found.
struct Taps {
  std::int64_t first = 0, count = 1;
  double base = 0, ratio = 0;  // floor of the source position (one less where it is whole), and what is left
  double squeeze = 1;          // antialias: scale of the filter's argument
  double norm = 1;
  bool outside = false;
  bool identity = false;
};

struct Axis {
  std::int64_t in = 1, out = 1;
  double scale = 1, roi_begin = 0, roi_end = 1;
};

double weight(const ResizeParams& p, const Taps& t, std::int64_t k) {
  if (t.identity) return 1;
  const double offset = static_cast<double>(t.first + k) - t.base;  // -1, 0, 1, 2 for plain cubic
  switch (p.mode) {
    case ResizeParams::Mode::nearest: {
      bool upper = t.ratio == 1;
      if (!upper) switch (p.nearest) {
          case ResizeParams::Nearest::round_prefer_floor: upper = t.ratio > 0.5; break;
          case ResizeParams::Nearest::round_prefer_ceil: upper = t.ratio >= 0.5; break;
          case ResizeParams::Nearest::floor: upper = false; break;
          case ResizeParams::Nearest::ceil: upper = true; break;
        }
      return (k == 1) == upper ? 1 : 0;
    }
    case ResizeParams::Mode::linear: return std::max(0.0, 1 - std::fabs((offset - t.ratio) * t.squeeze));
    case ResizeParams::Mode::cubic: return cubic((offset - t.ratio) * t.squeeze, p.cubic_a);
  }
  return 0;
}

Taps taps_of(const ResizeParams& p, const Axis& axis, std::int64_t i) {
  Taps t;
  if (axis.in == axis.out && axis.scale == 1 && p.transform != ResizeParams::Transform::tf_crop_and_resize) {
    t.first = i;
    t.identity = true;
    return t;
  }
  const double x = resize_source(p.transform, i, axis.in, axis.out, axis.scale, axis.roi_begin, axis.roi_end);
  if (std::isnan(x)) {
    t.outside = true;
    return t;
  }
  t.base = std::floor(x);
  if (t.base == x) t.base -= 1;
  t.ratio = x - t.base;
  const auto base = static_cast<std::int64_t>(t.base);
  const bool filter = p.antialias && p.mode != ResizeParams::Mode::nearest;
  if (filter) {
    t.squeeze = std::min(axis.scale, 1.0);
    const auto start =
        static_cast<std::int64_t>(std::floor((p.mode == ResizeParams::Mode::cubic ? -2 : -1) / t.squeeze)) + 1;
    t.first = base + start;
    t.count = 2 - 2 * start;
  } else {
    t.first = p.mode == ResizeParams::Mode::cubic ? base - 1 : base;
    t.count = p.mode == ResizeParams::Mode::cubic ? 4 : 2;
  }
  if (filter || p.exclude_outside) {
    double sum = 0;
    for (std::int64_t k = 0; k < t.count; ++k)
      if (!p.exclude_outside || (t.first + k >= 0 && t.first + k < axis.in)) sum += weight(p, t, k);
    t.norm = sum;
  }
  return t;
}

/// Sum over the taps of axis `a` and those after it.
double sample(const ResizeParams& p, const TensorView& x, const Axis* axes, const Taps* taps, int a,
              std::int64_t offset, const ElementAccess& access) {
  if (a == x.shape.rank) return access.load(x.data, offset);
  double sum = 0;
  for (std::int64_t k = 0; k < taps[a].count; ++k) {
    const std::int64_t at = taps[a].first + k;
    if (p.exclude_outside && (at < 0 || at >= axes[a].in)) continue;
    const double w = weight(p, taps[a], k);
    if (w == 0) continue;
    const std::int64_t inside = std::clamp<std::int64_t>(at, 0, axes[a].in - 1);
    sum += w * sample(p, x, axes, taps, a + 1, offset + inside * x.stride[a], access);
  }
  return sum / taps[a].norm;
}

Status run_resize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ResizeParams>();
  const TensorView& x = c.in[0];
  TensorView out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const int rank = x.shape.rank;
  Axis axes[kMaxRank];
  for (int a = 0; a < rank; ++a) axes[a] = {x.shape[a], out.shape[a], p.scale[a], p.roi_begin[a], p.roi_end[a]};
  const auto element = [&](int input, std::int64_t i) {
    return element_access(c.in[input].dtype).load(c.in[input].data, i * c.in[input].stride[0]);
  };
  for (std::int64_t i = 0; i < p.axes_count; ++i) {
    Axis& axis = axes[p.axis[i]];
    if (p.roi_is_input) {
      axis.roi_begin = element(1, i);
      axis.roi_end = element(1, p.axes_count + i);
    }
    if (p.scales == ResizeParams::Scales::extents) {
      axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
    } else if (p.scales == ResizeParams::Scales::read) {
      axis.scale = element(2, i);
      const double extent =
          std::floor(static_cast<double>(static_cast<float>(axis.in) * static_cast<float>(axis.scale)));
      if (!(axis.scale >= kSmallestScale && axis.scale <= kLargestScale))
        return {StatusCode::invalid_argument, "Resize: a scale is out of range"};
      if (extent > static_cast<double>(axis.out))
        return {StatusCode::resource_exhausted, "Resize: a scale is above the bound set at build"};
      axis.out = static_cast<std::int64_t>(extent);
      c.extents[i] = axis.out;
      out.shape[static_cast<int>(p.axis[i])] = axis.out;
    }
  }
  if (p.scales == ResizeParams::Scales::read) out.set_dense();
  if (out.shape.numel() == 0) return {};
  if (x.shape.numel() == 0)
    return {StatusCode::invalid_argument, "Resize: an empty tensor cannot be resized to one with elements"};
  const bool integer = !is_float(x.dtype);
  const std::int64_t count = out.shape.numel(), chunk = 4096;
  parallel_for(*c.parallel, (count + chunk - 1) / chunk, [&](std::int64_t task, int) {
    Walk<1> walk(out.shape, out.stride);
    walk.seek(task * chunk);
    for (std::int64_t e = task * chunk; e < std::min(count, (task + 1) * chunk); ++e, walk.next()) {
      Taps taps[kMaxRank];
      bool outside = false;
      for (int a = 0; a < rank; ++a) {
        taps[a] = taps_of(p, axes[a], walk.index[a]);
        outside = outside || taps[a].outside;
      }
      double v = outside ? p.extrapolation : sample(p, x, axes, taps, 0, 0, access);
      if (integer && p.mode != ResizeParams::Mode::nearest) v = std::nearbyint(v);
      access.store(out.data, walk.offset[0], v);
    }
  });
  return {};
}

}  // namespace

extern const Kernel resize_ref = reference_kernel("resize_ref", "Resize", run_resize);

}  // namespace monza::ops
