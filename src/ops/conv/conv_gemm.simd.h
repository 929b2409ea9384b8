// Convolution over channels-last pixels as a matrix product: rows are output pixels, columns are filters, K runs over
// (kernel depth, row, column, channel). Weights are packed once into panels; the rows of a block are gathered from
// the pixels under the kernel, zeros outside of the image. A 1x1 convolution is the plain product.
//
// Floor: 2 * pixels * filters * K FLOP over the peak of the FMA ports (about 125 GFLOP/s a core at 256 bits and
// 250 at 512 on Zen 5 at 3.9 GHz); gathering adds one load and one store per vector of A and block of up to
// 256 filters: 2 % at 256 filters, 15 % at 16.
#pragma once

#include "kernel/kernel.h"
#include "ops/conv/conv.params.h"
#include "ops/conv/conv_gemm_pack.simd.h"
#include "ops/conv/conv_shape.simd.h"
#include "ops/matmul/gemm_rows.simd.h"

namespace monza::ops {
namespace {

/// A stretch of K inside one kernel row: taps w0..w1 (input offsets), contiguous in memory when `joined`.
struct Segment {
  std::int64_t d, h, w0, w1;  // input offsets of its taps
  std::int64_t offset;        // floats from the pixel under tap (0, 0, 0), channel 0
  std::int64_t channel;       // first channel
  std::int64_t length;        // floats
};

struct Gather {
  const ConvShape& s;
  const float* x;  // channel 0 of the group
  bool joined;     // pixels follow each other without gaps: a kernel row is one stretch

  /// Segments of [k0, k0 + kc): at most one per element.
  int segments(std::int64_t k0, std::int64_t kc, Segment* list) const {
    int count = 0;
    const std::int64_t unit = joined ? s.k[2] * s.channels : s.channels;
    for (std::int64_t at = k0; at < k0 + kc;) {
      const std::int64_t whole = at / unit, inside = at % unit;
      const std::int64_t length = unit - inside < k0 + kc - at ? unit - inside : k0 + kc - at;
      Segment& g = list[count++];
      const std::int64_t row = joined ? whole : whole / s.k[2];
      const std::int64_t w_first = joined ? inside / s.channels : whole % s.k[2];
      const std::int64_t w_last = joined ? (inside + length - 1) / s.channels : w_first;
      g.d = row / s.k[1] * s.dilation[0];
      g.h = row % s.k[1] * s.dilation[1];
      g.w0 = w_first * s.dilation[2];
      g.w1 = w_last * s.dilation[2];
      g.channel = joined ? inside % s.channels : inside;
      g.offset = ((g.d * s.in[1] + g.h) * s.in[2] + g.w0) * s.x_pitch + g.channel;
      g.length = length;
      at += length;
    }
    return count;
  }

  void rows(const Segment* list, int count, std::int64_t row0, std::int64_t rows, Element* block) const {
    std::int64_t ow = row0 % s.out[2], rest = row0 / s.out[2];
    std::int64_t oh = rest % s.out[1];
    rest /= s.out[1];
    std::int64_t od = rest % s.out[0], n = rest / s.out[0];
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t id = od * s.stride[0] - s.pad[0], ih = oh * s.stride[1] - s.pad[1],
                         iw = ow * s.stride[2] - s.pad[2];
      const std::int64_t pixel = ((n * s.in[0] + id) * s.in[1] + ih) * s.in[2] + iw;
      Element* to = block + r * kElementPitch;
      for (int i = 0; i < count; ++i) {
        const Segment& g = list[i];
        const bool lines = static_cast<std::uint64_t>(id + g.d) < static_cast<std::uint64_t>(s.in[0]) &&
                           static_cast<std::uint64_t>(ih + g.h) < static_cast<std::uint64_t>(s.in[1]);
        if (!lines) {
          zero_run(to, g.length);
        } else if (iw + g.w0 >= 0 && iw + g.w1 < s.in[2]) {
          copy_run(to, x + pixel * s.x_pitch + g.offset, g.length);
        } else if (!joined) {
          zero_run(to, g.length);
        } else {
          edge(to, pixel, iw, g);
        }
        to += g.length;
      }
      if (++ow < s.out[2]) continue;
      ow = 0;
      if (++oh < s.out[1]) continue;
      oh = 0;
      if (++od < s.out[0]) continue;
      od = 0;
      ++n;
    }
  }

  /// A joined segment that crosses the image's left or right edge: pixel by pixel.
  void edge(Element* to, std::int64_t pixel, std::int64_t iw, const Segment& g) const {
    std::int64_t channel = g.channel, w = g.w0, left = g.length;
    const float* from = x + pixel * s.x_pitch + g.offset;
    while (left > 0) {
      const std::int64_t n = s.channels - channel < left ? s.channels - channel : left;
      if (iw + w >= 0 && iw + w < s.in[2]) {
        copy_run(to, from, n);
      } else {
        zero_run(to, n);
      }
      to += n;
      from += n;
      left -= n;
      channel = 0;
      ++w;
    }
  }
};

Status run_conv_gemm(const GemmTable& table, const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  const ConvShape s = conv_shape(c);
  if (s.pixels == 0 || s.filters == 0) return {};
  const std::int64_t k = s.taps() * s.channels,
                     group_floats = (k + kLane - 1) / kLane * padded_columns(s.filters, table.width);
  bool pointwise = s.taps() == 1;
  for (int i = 0; i < 3; ++i) pointwise = pointwise && s.stride[i] == 1 && s.pad[i] == 0 && s.in[i] == s.out[i];
  const GemmSplit split = gemm_split(s.pixels, s.filters, table.width, s.groups, c.parallel->threads());
  parallel_for(*c.parallel, s.groups * split.tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t g = task / split.tasks(), t = task % split.tasks();
    const std::int64_t row0 = t % split.row_blocks * split.rows;  // neighbours share their columns of B
    const std::int64_t rows = s.pixels - row0 < split.rows ? s.pixels - row0 : split.rows;
    std::int64_t n0, n1;
    split_columns(split, t / split.row_blocks, s.filters, n0, n1);
    const GemmOut out = conv_out(c, p, s, g);
    Element* block = reinterpret_cast<Element*>(c.scratch + static_cast<std::size_t>(worker) * kBlockBytes);
    const float* x = c.in[0].as<float>() + g * s.channels;
    const float* w = c.in[1].as<float>() + g * group_floats;
    if (pointwise) {
      gemm_over_k(table, out, w, s.filters, k, row0, rows, n0, n1, block, [&](std::int64_t k0, std::int64_t kc) {
        for (std::int64_t r = 0; r < rows; ++r)
          copy_run(block + r * kElementPitch, x + (row0 + r) * s.x_pitch + k0, kc);
      });
    } else {
      const Gather gather{s, x, s.dilation[2] == 1 && s.x_pitch == s.channels};
      gemm_over_k(table, out, w, s.filters, k, row0, rows, n0, n1, block, [&](std::int64_t k0, std::int64_t kc) {
        Segment list[kKc * kLane];
        gather.rows(list, gather.segments(k0, kc, list), row0, rows, block);
      });
    }
  });
  return {};
}

Refusal accepts_conv_gemm(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_common_refusal(q)) return r;
  if (!q.input(1).constant || q.input(1).dynamic) return "the weight is not constant";
  const Shape& w = q.input(1).shape;
  if (w[1] == 1 && w[0] > 1 && w[0] == static_cast<const ConvParams*>(q.params)->group)
    return "depthwise: one column a group";
  return nullptr;
}

std::size_t scratch_conv_gemm(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads) * kBlockBytes;
}

/// Weights as 32-bit floats.
constexpr Packing kPanelPacking{.input = 1,
                                .bytes = [](const KernelQuery& q) noexcept { return weight_bytes(Vec::kWidth, q); },
                                .pack =
                                    [](const KernelQuery& q, std::byte* packed) noexcept {
                                      repack_weight<true>(Vec::kWidth, q, static_cast<const float*>(q.input(1).data),
                                                          reinterpret_cast<float*>(packed));
                                    },
                                .format = Vec::kWidth == 8 ? &conv_panels_8 : &conv_panels_16};

template <const GemmTable& kTable>
consteval Kernel conv_gemm_kernel(const char* name, Isa needs, const Packing& weight, Arithmetic arithmetic = {}) {
  return {.name = name,
          .op = "Conv",
          .needs = needs,
          .arithmetic = arithmetic,
          .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .packings = &weight,
          .packing_count = 1,
          .accepts = accepts_conv_gemm,
          .scratch_bytes = scratch_conv_gemm,
          .run = [](const KernelContext& c) noexcept { return run_conv_gemm(kTable, c); }};
}

}  // namespace
}  // namespace monza::ops
