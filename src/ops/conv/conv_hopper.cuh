// A convolution as Hopper's kernels take it: a product of what the window sees of each output pixel, read by bulk
// copies in im2col mode, and rows of weights.
#pragma once

#include "ops/conv/conv_gpu.cuh"
#include "ops/conv/conv_gpu.params.h"
#include "ops/shared/gpu_hopper_tiles.cuh"

namespace monza::gpu {

struct HopperConv {
  bool fits = false;  ///< else another kernel has to
  int box = 64;       ///< channels that are copied at once
  HopperCut cut;
  HopperProduct h;

  /// Channels that a copy takes: copies of 128 bytes are the fastest, while what is behind each tap's last channel is
  /// multiplied as well.
  static int box_for(int channels) {
    if (channels <= 16) return 16;
    return channels % 64 != 0 && channels < 128 ? 32 : 64;
  }

  explicit HopperConv(const KernelContext& c) {
    const ConvGeometry g = conv_geometry(c);
    const auto o = conv_out<__half>(c);
    if (!in_vectors<__half>(c.in[0], g.channels) || o.pitch % 8 != 0) return;
    box = box_for(g.channels);
    h.channels = g.channels;
    h.taps = g.taps;
    h.boxes = (g.channels + box - 1) / box;
    h.slices = (h.taps * h.boxes + 64 / box - 1) / (64 / box);
    h.m = g.pixels;
    h.n = g.filters;
    // A window of one pixel that sees all pixels in their order: a matrix of pixels by channels.
    h.pixels = g.taps > 1;
    for (int i = 1; i < 3; ++i) h.pixels = h.pixels || g.stride[i] != 1 || g.pad[i] != 0 || g.out[i] != g.in[i];
    h.bias = {.data = o.bias, .row = 0, .column = 1};
    h.residual = {.data = o.residual, .row = o.residual_pitch, .column = 1};
    h.out_to = {.data = o.out, .row = o.pitch, .column = 1};
    h.constant_b = true;
    h.residual_after = o.residual_after;
    h.act = o.act;
    h.vectors = o.vectors && (o.bias == nullptr || reinterpret_cast<std::uintptr_t>(o.bias) % 16 == 0);
    cut = choose_cut(h, true, 32);
    const HopperForm& form = kHopperForms[cut.form];
    cut_product(h, cut);

    const std::int64_t x_row = g.x_pitch * g.in[2];
    if (h.pixels) {
      PixelTensor x{.data = c.in[0].data,
                    .extent = {g.channels, g.in[2], g.in[1], g.pixels / (g.out[1] * g.out[2])},
                    .stride = {g.x_pitch, x_row, x_row * g.in[1]},
                    .channels = box,
                    .pixels = form.m};
      for (int i = 0; i < 2; ++i) {
        const int axis = 2 - i;
        h.out[i] = g.out[axis];
        h.step[i] = x.step[i] = g.stride[axis];
        h.pad[i] = g.pad[axis];
        h.dilation[i] = g.dilation[axis];
        x.low[i] = -g.pad[axis];
        // The last output's first pixel, from the image's last pixel.
        x.high[i] = (g.out[axis] - 1) * g.stride[axis] + 1 - g.in[axis] - g.pad[axis];
        if (x.low[i] < -128 || x.low[i] > 127 || x.high[i] < -128 || x.high[i] > 127) return;
        if ((g.k[axis] - 1) * g.dilation[axis] > 255 || g.stride[axis] > 8) return;
      }
      h.window = g.k[2];
      if (!describe(x, h.a).ok()) return;
    } else if (!describe(BoxedTensor{.data = c.in[0].data,
                                     .extent = {g.channels, g.pixels, 1, 1},
                                     .stride = {g.x_pitch, 0, 0},
                                     .box = {box, form.m, 1, 1}},
                         h.a)
                    .ok()) {
      return;
    }
    const std::int64_t width = ops::ConvRows(c.params_as<ConvParams>(), c.in[1].shape).width();
    if (!describe(BoxedTensor{.data = c.in[1].data,
                              .extent = {g.channels, g.filters, g.taps, 1},
                              .stride = {width, g.channels, 0},
                              .box = {box, form.n, 1, 1}},
                  h.b)
             .ok())
      return;
    if (!finish_plan(h, cut, {.data = o.residual, .extent = {h.n, h.m, 1, 1}, .stride = {o.residual_pitch, 0, 0}}).ok())
      return;
    fits = true;
  }
};

/// Boxes of less than 64 channels are for few channels, where filters are few, too.
inline void launch_conv(const HopperConv& job, cudaStream_t stream) {
  if (job.box == 64) launch_form<__half, 64, false>(job.h, job.cut, stream);
  else if (job.box == 32) launch_form<__half, 32, false>(job.h, job.cut, stream);
  else launch_form<__half, 16, false>(job.h, job.cut, stream);
}

}  // namespace monza::gpu
