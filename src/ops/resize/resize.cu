// Plain resampling on a GPU: a thread an element of the output, each a weighted sum over the taps of every resized
// axis, in double; any strides.
#include <cmath>

#include "ops/resize/resize_gpu.cuh"
#include "ops/shared/gpu_any.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

__device__ double cubic(double x, double a) {
  x = fabs(x);
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
  std::int64_t in, out;
  double scale, roi_begin, roi_end;
};

__device__ double weight(const ResizeParams& p, const Taps& t, std::int64_t k) {
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
    case ResizeParams::Mode::linear: {
      const double w = 1 - fabs((offset - t.ratio) * t.squeeze);
      return w > 0 ? w : 0;
    }
    case ResizeParams::Mode::cubic: return cubic((offset - t.ratio) * t.squeeze, p.cubic_a);
  }
  return 0;
}

__device__ Taps taps_of(const ResizeParams& p, const Axis& axis, std::int64_t i) {
  Taps t;
  if (axis.in == axis.out && axis.scale == 1 && p.transform != ResizeParams::Transform::tf_crop_and_resize) {
    t.first = i;
    t.identity = true;
    return t;
  }
  const double x = resize_position(p.transform, i, axis.in, axis.out, axis.scale, axis.roi_begin, axis.roi_end);
  if (isnan(x)) {
    t.outside = true;
    return t;
  }
  t.base = floor(x);
  if (t.base == x) t.base -= 1;
  t.ratio = x - t.base;
  const auto base = static_cast<std::int64_t>(t.base);
  const bool filter = p.antialias && p.mode != ResizeParams::Mode::nearest;
  if (filter) {
    t.squeeze = axis.scale < 1 ? axis.scale : 1;
    const auto start =
        static_cast<std::int64_t>(floor((p.mode == ResizeParams::Mode::cubic ? -2 : -1) / t.squeeze)) + 1;
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

__device__ double element_of(const void* data, DType type, std::int64_t at) {
  if (!integral(type)) return load_float(data, type, at);
  const std::int64_t v = load_integer(data, type, at);
  return type == DType::u64 ? static_cast<double>(static_cast<std::uint64_t>(v)) : static_cast<double>(v);
}

/// The weighted sum over the taps of all axes, each axis summed within those before it, as the reference does: integers
/// are rounded in the end, and another order would decide otherwise half way between two of them.
__device__ double sample(const ResizeParams& p, const TensorView& x, const Axis* axes, const Taps* taps) {
  int resized[kMaxRank], count = 0;
  std::int64_t offset[kMaxRank] = {};
  for (int a = 0; a < x.shape.rank; ++a) {
    if (taps[a].identity) offset[0] += taps[a].first * x.stride[a];
    else resized[count++] = a;
  }
  if (count == 0) return element_of(x.data, x.dtype, offset[0]);
  std::int64_t k[kMaxRank] = {};
  double total[kMaxRank] = {}, outer[kMaxRank];  // of each level: its sum so far, the weight of the tap it is at
  for (int level = 0;;) {
    const int a = resized[level];
    const Taps& t = taps[a];
    if (k[level] == t.count) {
      const double sum = total[level] / t.norm;
      if (level == 0) return sum;
      --level;
      total[level] = __dadd_rn(total[level], __dmul_rn(outer[level], sum));
      continue;
    }
    const std::int64_t at = t.first + k[level];
    const double w = p.exclude_outside && (at < 0 || at >= axes[a].in) ? 0 : weight(p, t, k[level]);
    ++k[level];
    if (w == 0) continue;  // not read: it may be no number
    const std::int64_t place = offset[level] + (at < 0 ? 0 : at >= axes[a].in ? axes[a].in - 1 : at) * x.stride[a];
    if (level == count - 1) {
      total[level] = __dadd_rn(total[level], __dmul_rn(w, element_of(x.data, x.dtype, place)));
    } else {
      outer[level] = w;
      ++level;
      offset[level] = place;
      k[level] = 0;
      total[level] = 0;
    }
  }
}

/// `roi` is null unless the region is read while running.
__global__ void resize_kernel(ResizeParams p, TensorView x, TensorView out, const void* roi, DType roi_type,
                              std::int64_t roi_stride) {
  Axis axes[kMaxRank];
  for (int a = 0; a < x.shape.rank; ++a) axes[a] = {x.shape[a], out.shape[a], p.scale[a], p.roi_begin[a], p.roi_end[a]};
  for (std::int64_t i = 0; i < p.axes_count; ++i) {
    Axis& axis = axes[p.axis[i]];
    if (roi != nullptr) {
      axis.roi_begin = element_of(roi, roi_type, i * roi_stride);
      axis.roi_end = element_of(roi, roi_type, (p.axes_count + i) * roi_stride);
    }
    if (p.scales == ResizeParams::Scales::extents)
      axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
  }
  const bool integer = integral(x.dtype);
  for_each(out.shape.numel(), [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(out.shape, i, index);
    Taps taps[kMaxRank];
    bool outside = false;
    for (int a = 0; a < x.shape.rank; ++a) {
      taps[a] = taps_of(p, axes[a], index[a]);
      outside = outside || taps[a].outside;
    }
    double v = outside ? p.extrapolation : sample(p, x, axes, taps);
    const std::int64_t to = offset_of(out, index);
    if (!integer) {
      store_float(out.data, out.dtype, to, v);
      return;
    }
    if (p.mode != ResizeParams::Mode::nearest) v = rint(v);
    store_integer(out.data, out.dtype, to, out.dtype == DType::boolean ? v != 0 : truncate(v, out.dtype));
  });
}

Status run_resize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ResizeParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  if (out.shape.numel() == 0) return {};
  if (x.shape.numel() == 0)
    return {StatusCode::invalid_argument, "Resize: an empty tensor cannot be resized to one with elements"};
  const bool roi = p.roi_is_input != 0;
  resize_kernel<<<blocks_for(out.shape.numel(), 128), 128, 0, stream_of(c)>>>(
      p, x, out, roi ? c.in[1].data : nullptr, roi ? c.in[1].dtype : DType::invalid, roi ? c.in[1].stride[0] : 0);
  return launched();
}

Refusal accepts_resize(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const ResizeParams*>(q.params);
  if (p.scales == ResizeParams::Scales::read) return "its scales are read while it runs";
  if (p.roi_is_input != 0 && !is_number(q.input(1).dtype)) return "its region's element type has no CUDA kernel";
  return is_number(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel resize_cuda{.name = "resize_cuda",
                                .op = "Resize",
                                .device = DeviceKind::cuda,
                                .in{Port::strided},
                                .out{Port::strided},
                                .accepts = accepts_resize,
                                .run = run_resize};

}  // namespace monza::ops
