// What the integer convolution kernels share: geometry, pixels' addresses, output operands.
#pragma once

#include "ops/qconv/qconv_panels.simd.h"
#include "ops/qmatmul/igemm.simd.h"

namespace monza::ops {
namespace {

MONZA_INLINE ConvGeometry conv_geometry(const QConvParams& p, const Shape& x, const Shape& w, const Shape& out) {
  ConvGeometry g = conv_weight_geometry(p, w);
  const int last = x.rank - 1, axis = p.spatial - 1;
  g.batch = x[0];
  g.height = g.out_h = g.stride_h = 1;
  g.width = x[last];
  g.out_w = out[last];
  g.stride_w = p.stride[axis];
  g.pad_w = conv_pad_begin(p, axis, g.width, g.kw, g.out_w);
  if (p.spatial == 2) {
    g.height = x[2];
    g.out_h = out[2];
    g.stride_h = p.stride[0];
    g.pad_h = conv_pad_begin(p, 0, g.height, g.kh, g.out_h);
  }
  return g;
}

/// Elements from pixel to pixel of a channels-last view: the stride of its innermost pixel axis with an extent.
MONZA_INLINE std::int64_t pixel_pitch(const TensorView& v) {
  for (int i = v.shape.rank - 1; i > 1; --i)
    if (v.shape[i] > 1) return v.stride[i];
  return v.shape[0] > 1 ? v.stride[0] : v.shape[1];
}

MONZA_INLINE std::size_t round64(std::int64_t bytes) {
  return (static_cast<std::size_t>(bytes) + 63) & ~std::size_t{63};
}

/// Fills to[tap * stride + r] with the address of the pixel under each kernel element, or `zeros` outside of the image,
/// for `count` output pixels from `first` on. `base` is the first channel of the group. Taps are counted line by line,
/// or, `columns_of` lines high, column by column.
MONZA_INLINE void conv_point(const ConvGeometry& g, const std::uint8_t* base, std::int64_t pitch,
                             const std::uint8_t* zeros, const std::uint8_t** to, std::int64_t stride,
                             std::int64_t first, std::int64_t count, std::int64_t columns_of = 0) {
  std::int64_t ox = first % g.out_w, oy = first / g.out_w % g.out_h, n = first / g.out_w / g.out_h;
  const std::int64_t step = g.stride_w * pitch;
  for (std::int64_t r = 0; r < count;) {  // one output line, or the part of it in this block, at a time
    const std::int64_t pixels = g.out_w - ox < count - r ? g.out_w - ox : count - r;
    for (std::int64_t ky = 0; ky < g.kh; ++ky) {
      const std::int64_t iy = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
      for (std::int64_t kx = 0; kx < g.kw; ++kx) {
        const std::uint8_t** tap = to + (columns_of > 0 ? kx * columns_of + ky : ky * g.kw + kx) * stride + r;
        const std::int64_t ix = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
        // Pixels [in, out) of the line are inside of the image.
        std::int64_t in = ix >= 0 ? 0 : (-ix + g.stride_w - 1) / g.stride_w,
                     out = ix >= g.width ? 0 : (g.width - 1 - ix) / g.stride_w + 1;
        if (out > pixels) out = pixels;
        if (iy < 0 || iy >= g.height || in > out) in = out = 0;
        std::int64_t i = 0;
        for (; i < in; ++i) tap[i] = zeros;
        std::uintptr_t at = reinterpret_cast<std::uintptr_t>(base) +
                            static_cast<std::uintptr_t>((n * g.height + iy) * g.width * pitch + ix * pitch);
        for (; i < out; ++i) tap[i] = reinterpret_cast<const std::uint8_t*>(at + static_cast<std::uintptr_t>(i * step));
        for (; i < pixels; ++i) tap[i] = zeros;
      }
    }
    r += pixels;
    ox = 0;
    if (++oy == g.out_h) oy = 0, ++n;
  }
}

/// sums[(group * batch * height + line) * width + x]: the channels of a group of one pixel, summed as unsigned values.
inline __attribute__((noinline)) void conv_pixel_sums(const ConvGeometry& g, const std::uint8_t* base,
                                                      std::int64_t pitch, bool flip, std::int32_t* sums,
                                                      Parallel& parallel) {
  const std::int64_t lines = g.batch * g.height;
  parallel_for(parallel, g.groups * lines, [&](std::int64_t task, int) {
    const std::uint8_t* from = base + task % lines * g.width * pitch + task / lines * g.channels;
    std::int32_t* to = sums + task * g.width;
    for (std::int64_t i = 0; i < g.width; ++i)
      to[i] = flip ? igemm_byte_sum<true>(from + i * pitch, g.channels)
                   : igemm_byte_sum<false>(from + i * pitch, g.channels);
  });
}

/// The sums of the windows of `count` output pixels from `first` on; a pixel outside of the image counts `outside`.
inline __attribute__((noinline)) void conv_window_sums(const ConvGeometry& g, const std::int32_t* pixels,
                                                       std::int32_t outside, std::int32_t* sums, std::int64_t first,
                                                       std::int64_t count) {
  for (std::int64_t r = 0; r < count; ++r) sums[r] = 0;
  std::int64_t ox = first % g.out_w, oy = first / g.out_w % g.out_h, n = first / g.out_w / g.out_h;
  for (std::int64_t r = 0; r < count;) {
    const std::int64_t width = g.out_w - ox < count - r ? g.out_w - ox : count - r;
    for (std::int64_t ky = 0; ky < g.kh; ++ky) {
      const std::int64_t iy = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
      const bool inside = iy >= 0 && iy < g.height;
      const std::int32_t* line = pixels + (n * g.height + (inside ? iy : 0)) * g.width;
      for (std::int64_t kx = 0; kx < g.kw; ++kx) {
        const std::int64_t ix = ox * g.stride_w - g.pad_w + kx * g.dilation_w;
        for (std::int64_t i = 0; i < width; ++i) {
          const std::int64_t at = ix + i * g.stride_w;
          sums[r + i] += inside && at >= 0 && at < g.width ? line[at] : outside;
        }
      }
    }
    r += width;
    ox = 0;
    if (++oy == g.out_h) oy = 0, ++n;
  }
}

/// The output's form and the residual of a QConv.
MONZA_INLINE void conv_outputs(Igemm& job, const KernelContext& c) {
  const auto& p = c.params_as<QConvParams>();
  const QOperands o{c.in, c.in_count};
  job.mode = o.has(QInput::y_scale) ? IgemmOut::q8 : IgemmOut::f32;
  job.act = p.act;
  job.residual_after = p.residual_after != 0;
  if (job.mode == IgemmOut::q8) job.q = o.requantize(p.act, c.out[0].dtype);
  job.has_mid = o.has(QInput::mid_scale);
  job.out_signed = c.out[0].dtype == DType::i8;
  if (!o.has(QInput::residual)) return;
  job.residual = c.in[QInput::residual].as<std::byte>();
  job.residual_pitch = pixel_pitch(c.in[QInput::residual]);
  job.residual_signed = c.in[QInput::residual].dtype == DType::i8;
}

/// What kernels of QConv have in common; the algorithm fills in the rest.
consteval Kernel qconv_kernel(const char* name, Isa needs, const Packing& weight) {
  return {.name = name,
          .op = "QConv",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::i32},
          .in{Port::channels_last, Port::dense, Port::dense, Port::packed, Port::dense, Port::dense, Port::dense,
              Port::dense, Port::dense, Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .packings = &weight,
          .packing_count = 1};
}
/// The same of ConvInteger.
consteval Kernel conv_integer_kernel(const char* name, Isa needs, const Packing& weight) {
  return {.name = name,
          .op = "ConvInteger",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::i32},
          .in{Port::channels_last, Port::packed, Port::dense},
          .out{Port::channels_last},
          .packings = &weight,
          .packing_count = 1};
}

}  // namespace
}  // namespace monza::ops
