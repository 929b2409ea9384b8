// Nearest and linear resampling of the pixels of channels-last tensors on a GPU: a thread 16 bytes of channels of one
// pixel. Bound by memory: input and output once from DRAM at 4.2 TB/s; positions are found in double, as the reference
// does.
#include <cmath>
#include <type_traits>

#include "ops/resize/resize_gpu.cuh"
#include "ops/shared/gpu_channels.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

/// Spatial axes, padded at the front to three.
struct Plan {
  std::int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, xs[3] = {};
  double scale[3] = {1, 1, 1};
  std::int64_t count = 0, channels = 0, x_image = 0, out_pitch = 0;  // count: pixels of the output, batch included
  ResizeParams::Transform transform;
  ResizeParams::Nearest nearest;
};

Plan plan_of(const KernelContext& c) {
  const auto& p = c.params_as<ResizeParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  Plan s;
  const int spatial = x.shape.rank - 2;
  for (int i = 0; i < spatial; ++i) {
    const int to = i + 3 - spatial;
    s.in[to] = x.shape[i + 2];
    s.out[to] = out.shape[i + 2];
    s.xs[to] = x.stride[i + 2];
    s.scale[to] = p.scale[i + 2];
  }
  if (p.scales == ResizeParams::Scales::extents)
    for (std::int64_t i = 0; i < p.axes_count; ++i) {
      const int to = static_cast<int>(p.axis[i]) - 2 + 3 - spatial;
      if (p.axis[i] >= 2) s.scale[to] = static_cast<double>(s.out[to]) / static_cast<double>(s.in[to]);
    }
  s.channels = x.shape[1];
  s.count = out.shape.numel() / s.channels;
  s.x_image = x.stride[0];
  s.out_pitch = pixel_pitch(out);
  s.transform = p.transform;
  s.nearest = p.nearest;
  return s;
}

/// The one or two input indices of an output index along an axis, as resize.ref.cpp has them, and the second one's
/// weight.
struct Taps {
  std::int64_t first, second;
  double ratio;
};
__device__ __forceinline__ Taps taps_of(const Plan& s, int a, std::int64_t i) {
  if (s.in[a] == s.out[a] && s.scale[a] == 1) return {i, i, 0};
  const double x = resize_position(s.transform, i, s.in[a], s.out[a], s.scale[a], 0, 1);
  double base = floor(x);
  if (base == x) base -= 1;
  const auto first = static_cast<std::int64_t>(base);
  const auto inside = [&](std::int64_t at) { return at < 0 ? 0 : at >= s.in[a] ? s.in[a] - 1 : at; };
  return {inside(first), inside(first + 1), x - base};
}
__device__ __forceinline__ std::int64_t nearest_of(const Plan& s, int a, std::int64_t i) {
  const Taps t = taps_of(s, a, i);
  bool upper = t.ratio == 1;
  if (!upper) switch (s.nearest) {
      case ResizeParams::Nearest::round_prefer_floor: upper = t.ratio > 0.5; break;
      case ResizeParams::Nearest::round_prefer_ceil: upper = t.ratio >= 0.5; break;
      case ResizeParams::Nearest::floor: upper = false; break;
      case ResizeParams::Nearest::ceil: upper = true; break;
    }
  return upper ? t.second : t.first;
}

template <typename T, int kEach>
__global__ void nearest_kernel(Plan s, const T* x, T* out) {
  using Vector = Channels<T, kEach>;
  const std::int64_t vectors = s.channels / kEach;
  for_each(s.count * vectors, [&](std::int64_t i) {
    const Division of_vector(i, vectors), of_u(of_vector.whole, s.out[2]), of_y(of_u.whole, s.out[1]),
        of_z(of_y.whole, s.out[0]);
    const T* from = x + of_z.whole * s.x_image + nearest_of(s, 0, of_z.rest) * s.xs[0] +
                    nearest_of(s, 1, of_y.rest) * s.xs[1] + nearest_of(s, 2, of_u.rest) * s.xs[2];
    *reinterpret_cast<Vector*>(out + of_vector.whole * s.out_pitch + of_vector.rest * kEach) =
        *reinterpret_cast<const Vector*>(from + of_vector.rest * kEach);
  });
}

template <typename T, int kEach>
__global__ void linear_kernel(Plan s, const T* x, T* out) {
  using Vector = Channels<T, kEach>;
  const std::int64_t vectors = s.channels / kEach;
  for_each(s.count * vectors, [&](std::int64_t i) {
    const Division of_vector(i, vectors), of_u(of_vector.whole, s.out[2]), of_y(of_u.whole, s.out[1]),
        of_z(of_y.whole, s.out[0]);
    const Taps t[3] = {taps_of(s, 0, of_z.rest), taps_of(s, 1, of_y.rest), taps_of(s, 2, of_u.rest)};
    const T* from = x + of_z.whole * s.x_image + of_vector.rest * kEach;
    float sum[kEach];
#pragma unroll
    for (int j = 0; j < kEach; ++j) sum[j] = 0;
#pragma unroll
    for (int corner = 0; corner < 8; ++corner) {
      double weight = 1;
      std::int64_t at = 0;
#pragma unroll
      for (int a = 0; a < 3; ++a) {
        const bool second = (corner >> (2 - a) & 1) != 0;
        weight *= second ? 1 - (1 - t[a].ratio) : 1 - t[a].ratio;  // as the reference rounds them
        at += (second ? t[a].second : t[a].first) * s.xs[a];
      }
      if (weight == 0) continue;  // not read: it may be no number
      const Vector v = *reinterpret_cast<const Vector*>(from + at);
      const auto w = static_cast<float>(weight);
#pragma unroll
      for (int j = 0; j < kEach; ++j) sum[j] = fmaf(w, static_cast<float>(v.v[j]), sum[j]);
    }
    Vector result;
#pragma unroll
    for (int j = 0; j < kEach; ++j) result.v[j] = static_cast<T>(sum[j]);
    *reinterpret_cast<Vector*>(out + of_vector.whole * s.out_pitch + of_vector.rest * kEach) = result;
  });
}

template <bool kLinear, typename T>
void launch(const KernelContext& c) {
  const Plan s = plan_of(c);
  const auto with = [&](auto each) {
    constexpr int kEach = decltype(each)::value;
    const unsigned blocks = blocks_for(s.count * s.channels / kEach);
    if constexpr (kLinear)
      linear_kernel<T, kEach><<<blocks, kThreads, 0, stream_of(c)>>>(s, c.in[0].as<const T>(), c.out[0].as<T>());
    else nearest_kernel<T, kEach><<<blocks, kThreads, 0, stream_of(c)>>>(s, c.in[0].as<const T>(), c.out[0].as<T>());
  };
  if (in_vectors<T>(c.in[0], s.channels) && in_vectors<T>(c.out[0], s.channels))
    with(std::integral_constant<int, 16 / sizeof(T)>{});
  else with(std::integral_constant<int, 1>{});
}

Status run_resize_channels(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  if (c.in[0].shape.numel() == 0)
    return {StatusCode::invalid_argument, "Resize: an empty tensor cannot be resized to one with elements"};
  const DType type = c.in[0].dtype;
  if (c.params_as<ResizeParams>().mode == ResizeParams::Mode::linear) {
    if (type == DType::f32) launch<true, float>(c);
    else launch<true, __half>(c);
    return launched();
  }
  const bool known = with_size(dtype_bits(type), [&](auto bits) { launch<false, typename decltype(bits)::type>(c); });
  return known ? launched() : kOtherType;
}

Refusal accepts_resize_channels(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const ResizeParams*>(q.params);
  const Shape &x = q.in[0].shape, &out = q.out[0].shape;
  const DType type = q.in[0].dtype;
  if (x.rank < 3 || x.rank > 5) return "not one to three spatial axes";
  if (p.scales == ResizeParams::Scales::read) return "its scales are read while it runs";
  if (p.mode == ResizeParams::Mode::cubic || p.antialias != 0 || p.exclude_outside != 0)
    return "neither nearest nor linear";
  if (p.transform == ResizeParams::Transform::tf_crop_and_resize) return "a region of interest";
  for (std::int64_t i = 0; i < p.axes_count; ++i) {
    const auto a = static_cast<int>(p.axis[i]);
    const bool same =
        x[a] == out[a] && !q.in[0].dynamic && (p.scales == ResizeParams::Scales::extents || p.scale[a] == 1);
    if (a < 2 && !same) return "images or channels are resized";
  }
  if (p.mode == ResizeParams::Mode::linear)
    return type == DType::f32 || type == DType::f16 ? nullptr : "neither f32 nor f16";
  return is_number(type) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel resize_channels_cuda{.name = "resize_channels_cuda",
                                         .op = "Resize",
                                         .device = DeviceKind::cuda,
                                         .in{Port::channels_last, Port::dense},
                                         .out{Port::channels_last},
                                         .accepts = accepts_resize_channels,
                                         .run = run_resize_channels};

}  // namespace monza::ops
