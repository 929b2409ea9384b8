// What GPU convolutions of channels-last tensors read from their operands, once per launch.
#pragma once

#include <cmath>

#include "ops/conv/conv.params.h"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_channels.cuh"

namespace monza::gpu {

/// Where results go, and what is done to them on the way.
template <typename T>
struct ConvOut {
  T* out = nullptr;
  const T* bias = nullptr;                     ///< one a filter, or null
  const T* residual = nullptr;                 ///< or null
  const T* slope = nullptr;                    ///< or null
  std::int64_t pitch = 0, residual_pitch = 0;  ///< from pixel to pixel
  int slope_step = 0;
  bool residual_after = false;
  bool vectors = false;  ///< 16 bytes of filters may be read and written at once
  Activation act;

  __device__ __forceinline__ float bias_of(int m) const { return bias != nullptr ? load(bias + m) : 0.0f; }
  /// One result. The activation is the same for all threads, so the branches cost little.
  __device__ __forceinline__ float finish(float sum, float residual_value, int m) const {
    if (!residual_after) sum += residual_value;
    const float v = gpu::activate<float>(act, sum, slope != nullptr ? load(slope + m * slope_step) : 0.0f);
    return residual_after ? v + residual_value : v;
  }
};

/// clamp() in two instructions: NaN stays what it is.
__device__ __forceinline__ float clamp_quickly(float v, float low, float high) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(v) : "f"(low));
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(v) : "f"(high));
  return v;
}

/// Activations whose formula is short, for all elements of a thread at once.
struct QuickActivation {
  float low = -INFINITY, high = INFINITY;
  bool quick, silu, hardswish;
  __device__ __forceinline__ explicit QuickActivation(const Activation& act) {
    if (act.kind == ActivationKind::relu) low = 0;
    if (act.kind == ActivationKind::clip) low = act.alpha, high = act.beta;
    silu = act.kind == ActivationKind::silu;
    hardswish = act.kind == ActivationKind::hardswish;
    quick = act.kind == ActivationKind::none || act.kind == ActivationKind::relu || act.kind == ActivationKind::clip ||
            silu || hardswish;
  }
  __device__ __forceinline__ float operator()(float v) const {
    if (silu) v = __fdividef(v, 1.0f + __expf(-v));
    if (hardswish) v *= clamp(fmaf(v, 1.0f / 6, 0.5f), 0.0f, 1.0f);
    return clamp_quickly(v, low, high);
  }
  /// All of them; the kind is looked at once.
  template <int kCount>
  __device__ __forceinline__ void apply(float (&v)[kCount]) const {
    if (silu) {
#pragma unroll
      for (float& x : v) x = __fdividef(x, 1.0f + __expf(-x));
    } else if (hardswish) {
#pragma unroll
      for (float& x : v) x *= clamp_quickly(fmaf(x, 1.0f / 6, 0.5f), 0.0f, 1.0f);
    } else {
#pragma unroll
      for (float& x : v) x = clamp_quickly(x, low, high);
    }
  }
};

/// Extents with the spatial axes padded at the front to three (depth, height, width).
struct ConvGeometry {
  int in[3], k[3], out[3], stride[3], dilation[3], pad[3];
  int groups, channels, filters;  // channels and filters of one group
  int pixels;                     // of the output, batch included
  int taps;
  std::int64_t x_image, x_channel, xs[3];  // strides of the input
  std::int64_t x_pitch;                    // from pixel to pixel, where it is channels-last
};

inline ConvGeometry conv_geometry(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const Shape& w = c.in[1].shape;  // a packed weight keeps its logical shape
  ConvGeometry s;
  std::int64_t pixels = out.shape[0];
  s.taps = 1;
  for (int i = 0; i < 3; ++i) {
    const int axis = i - (3 - p.spatial);
    if (axis < 0) {
      s.in[i] = s.k[i] = s.out[i] = s.stride[i] = s.dilation[i] = 1;
      s.pad[i] = 0;
      s.xs[i] = 0;
      continue;
    }
    s.in[i] = static_cast<int>(x.shape[axis + 2]);
    s.k[i] = static_cast<int>(w[axis + 2]);
    s.out[i] = static_cast<int>(out.shape[axis + 2]);
    s.stride[i] = p.stride[axis];
    s.dilation[i] = p.dilation[axis];
    s.pad[i] = static_cast<int>(conv_pad_begin(p, axis, s.in[i], s.k[i], s.out[i]));
    s.xs[i] = x.stride[axis + 2];
    s.taps *= s.k[i];
    pixels *= s.out[i];
  }
  s.groups = p.group;
  s.channels = static_cast<int>(w[1]);
  s.filters = static_cast<int>(w[0] / p.group);
  s.pixels = static_cast<int>(pixels);
  s.x_image = x.stride[0];
  s.x_channel = x.stride[1];
  s.x_pitch = pixel_pitch(x);
  return s;
}

template <typename T>
ConvOut<T> conv_out(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  const TensorView& out = c.out[0];
  const std::int64_t filters = out.shape[1] / p.group;
  ConvOut<T> o;
  o.out = out.as<T>();
  o.pitch = pixel_pitch(out);
  o.vectors = in_vectors<T>(out, filters);
  if (c.has_input(2)) o.bias = c.in[2].as<T>();
  if (c.has_input(3)) {
    o.residual = c.in[3].as<T>();
    o.residual_pitch = pixel_pitch(c.in[3]);
    o.vectors = o.vectors && in_vectors<T>(c.in[3], filters);
  }
  if (c.has_input(4)) {
    o.slope = c.in[4].as<T>();
    o.slope_step = c.in[4].shape.numel() > 1;
  }
  o.residual_after = p.residual_after != 0;
  o.act = p.act;
  return o;
}

/// What every kernel refuses that has this geometry: it counts pixels, taps and positions in 32 bits.
inline Refusal conv_refusal(const KernelQuery& q, DType type) {
  const auto& p = *static_cast<const ConvParams*>(q.params);
  for (int i = 0; i < q.in_count; ++i)
    if (q.has_input(i) && q.input(i).dtype != type) return "an operand has another element type";
  if (!q.input(1).constant) return "needs a constant weight";
  const Shape &x = q.input(0).shape, &w = q.input(1).shape, &out = q.out[0].shape;
  if (x.rank > 5) return "more than three spatial axes";
  constexpr std::int64_t kMost = std::int64_t{1} << 28;
  const auto product_below = [](const Shape& s, int first, std::int64_t start, std::int64_t most) {
    double product = static_cast<double>(start);
    for (int i = first; i < s.rank; ++i) product *= static_cast<double>(s[i]);
    return product < static_cast<double>(most);
  };
  if (!product_below(x, 2, x[0], 1LL << 31) || !product_below(out, 2, out[0], 1LL << 31) ||
      !product_below(w, 1, 1, kMost) || w[0] >= kMost)
    return "too large for counts of 32 bits";
  if (w.count(1, w.rank) == 0 || w[0] == 0) return "the weight is empty";
  for (int i = 0; i < p.spatial; ++i)
    if (x[i + 2] >= kMost || out[i + 2] * p.stride[i] >= kMost || (w[i + 2] - 1) * p.dilation[i] >= kMost ||
        p.pad_begin[i] >= kMost || p.pad_begin[i] <= -kMost)
      return "too large for counts of 32 bits";
  return nullptr;
}

}  // namespace monza::gpu
