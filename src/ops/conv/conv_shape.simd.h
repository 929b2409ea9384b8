// What the convolution kernels read from their operands, once per run.
#pragma once

#include "kernel/kernel.h"
#include "ops/conv/conv.params.h"
#include "ops/matmul/gemm_table.simd.h"

namespace monza::ops {
namespace {

/// Extents with the spatial axes padded at the front to three (depth, height, width).
struct ConvShape {
  std::int64_t in[3], k[3], out[3], stride[3], dilation[3], pad[3];
  std::int64_t batch, pixels;                       // pixels: of the output, batch included
  std::int64_t groups, channels, filters;           // channels and filters of one group
  std::int64_t x_pitch, out_pitch, residual_pitch;  // floats from pixel to pixel
  MONZA_INLINE std::int64_t taps() const { return k[0] * k[1] * k[2]; }
};

/// Floats from one pixel to the next of a channels-last view.
MONZA_INLINE std::int64_t pixel_pitch(const TensorView& v) {
  for (int i = v.shape.rank - 1; i >= 2; --i)
    if (v.shape[i] > 1) return v.stride[i];
  return v.shape[0] > 1 ? v.stride[0] : v.shape[1];
}

/// Where the vectors of channels of a channels-last or blocked operand lie: floats from image to image, from pixel to
/// pixel, and from one vector of channels to the next.
struct ChannelVectors {
  float* data = nullptr;
  std::int64_t image = 0, pixel = 0, vector = 0;
};
MONZA_INLINE ChannelVectors channel_vectors(const TensorView& v, int width) {
  ChannelVectors c;
  c.data = v.as<float>();
  c.image = v.stride[0];
  c.pixel = v.layout == Layout::strided ? pixel_pitch(v) : width;
  c.vector = v.layout == Layout::strided ? width : v.stride[1];
  return c;
}
/// Whole blocks in every group, so that a group's channels begin a block and the padding of the last one stays alone.
MONZA_INLINE Refusal blocked_group_refusal(const KernelQuery& q, int width) {
  const Shape& w = q.input(1).shape;
  const std::int64_t groups = static_cast<const ConvParams*>(q.params)->group;
  if (groups == 1) return nullptr;
  if (w[1] % width != 0) return "a group's channels are no multiple of the block";
  if (w[0] / groups % width != 0) return "a group's filters are no multiple of the block";
  return nullptr;
}

MONZA_INLINE ConvShape conv_shape(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  ConvShape s;
  s.pixels = s.batch = c.out[0].shape[0];
  // A packed weight keeps its logical shape.
  const Shape& w = c.in[1].shape;
  for (int i = 0; i < 3; ++i) {
    const int axis = i - (3 - p.spatial);
    if (axis < 0) {
      s.in[i] = s.k[i] = s.out[i] = s.stride[i] = s.dilation[i] = 1;
      s.pad[i] = 0;
      continue;
    }
    s.in[i] = c.in[0].shape[axis + 2];
    s.k[i] = w[axis + 2];
    s.out[i] = c.out[0].shape[axis + 2];
    s.stride[i] = p.stride[axis];
    s.dilation[i] = p.dilation[axis];
    s.pad[i] = conv_pad_begin(p, axis, s.in[i], s.k[i], s.out[i]);
    s.pixels *= s.out[i];
  }
  s.groups = p.group;
  s.channels = w[1];
  s.filters = w[0] / p.group;
  s.x_pitch = pixel_pitch(c.in[0]);
  s.out_pitch = pixel_pitch(c.out[0]);
  s.residual_pitch = c.has_input(3) ? pixel_pitch(c.in[3]) : 0;
  return s;
}

/// Stride of a slope tensor of any shape with one element or one per filter.
MONZA_INLINE std::int64_t slope_step(const TensorView& slope) { return slope.shape.numel() > 1 ? 1 : 0; }

/// The product's output for group g.
MONZA_INLINE GemmOut conv_out(const KernelContext& c, const ConvParams& p, const ConvShape& s, std::int64_t g) {
  GemmOut o;
  const std::int64_t first = g * s.filters;
  o.c = c.out[0].as<float>() + first;
  o.ldc = s.out_pitch;
  if (c.has_input(2)) o.bias = c.in[2].as<float>() + first;
  if (c.has_input(3)) o.residual = c.in[3].as<float>() + first;
  o.ldr = s.residual_pitch;
  if (c.has_input(4)) {
    o.slope_stride = slope_step(c.in[4]);
    o.slope = c.in[4].as<float>() + first * o.slope_stride;
  }
  o.act = p.act;
  o.residual_after = p.residual_after != 0;
  return o;
}

/// What every f32 kernel of Conv refuses.
MONZA_INLINE Refusal conv_common_refusal(const KernelQuery& q) {
  for (int i = 0; i < q.in_count; ++i)
    if (q.has_input(i) && q.input(i).dtype != DType::f32) return "an operand is not f32";
  return q.input(0).shape.rank > 5 ? "more than three spatial axes" : nullptr;
}

}  // namespace
}  // namespace monza::ops
