// The first convolution of an image network: few input channels, dense NCHW input, channels-last or channel-blocked
// output.
//
// With three channels a pixel is too short to copy as a row of a matrix product, so the image itself is the matrix:
// the rows of pixels that a few output rows need are copied into a strip with its zeros around them, and the tile's
// output pixels read their element of a tap at a fixed distance of `stride` floats from each other.
// Weights are packed as [panel][channel, kernel row, kernel column][one or two vectors of filters].
// Floor: 2 * pixels * filters * taps FLOP over the peak of the FMA ports; with 16 filters (one vector) the broadcast
// of each element serves one product only, which the load ports carry at about 0.9 of that rate.
#pragma once

#include "ops/conv/conv_gemm_pack.simd.h"
#include "ops/conv/conv_shape.simd.h"
#include "ops/matmul/finish.simd.h"
#include "ops/matmul/gemm_rows.simd.h"

namespace monza::ops {
namespace {

constexpr int kImageTile = Vec::kRegisters == 32 ? 14 : 6;
constexpr std::int64_t kStripBytes = 192 << 10;  // of a worker, within the L2 cache
constexpr std::int64_t kMostImageChannels = 8;

struct Strip {
  std::int64_t rows_out;       // output rows of a task
  std::int64_t height, width;  // of the strip, in pixels
  std::int64_t tiles;          // of a row
  MONZA_INLINE std::int64_t plane() const { return height * width; }
};
MONZA_INLINE Strip strip_of(std::int64_t channels, std::int64_t out_h, std::int64_t out_w, std::int64_t k_h,
                            std::int64_t k_w, std::int64_t stride_h, std::int64_t stride_w) {
  Strip s;
  s.tiles = (out_w + kImageTile - 1) / kImageTile;
  s.width = (s.tiles * kImageTile - 1) * stride_w + k_w;
  const std::int64_t line = channels * s.width * static_cast<std::int64_t>(sizeof(float));
  s.rows_out = (kStripBytes / line - k_h) / stride_h + 1;
  const std::int64_t share = (out_h + 31) / 32;  // tasks for many threads; the same strips for any number of them
  if (s.rows_out > share) s.rows_out = share;
  if (s.rows_out < 1) s.rows_out = 1;
  s.height = (s.rows_out - 1) * stride_h + k_h;
  return s;
}

/// What happens to a tile's sums; places and bias are those of its first pixel and filter.
struct ImageEnd {
  ChannelVectors out, residual;
  const float* bias;
  Vec low, high;
  bool after;   // the residual is added after the bounds
  bool padded;  // the output's vector goes on after the last filter: with zeros
};

/// kImageTile output pixels times kVecs vectors of filters; `count` of the pixels exist.
template <int kStride, int kVecs>
__attribute__((noinline)) void image_tile(const ConvShape& s, const Strip& strip, const float* x, const float* w,
                                          const ImageEnd& e, std::int64_t count, std::int64_t filters) {
  Vec acc[kImageTile][kVecs];
#pragma GCC unroll 16
  for (int t = 0; t < kImageTile; ++t)
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) acc[t][j] = Vec::zero();
  for (std::int64_t c = 0; c < s.channels; ++c)
    for (std::int64_t kh = 0; kh < s.k[1]; ++kh) {
      const float* p = x + c * strip.plane() + kh * strip.width;
      for (std::int64_t kw = 0; kw < s.k[2]; ++kw, ++p, w += kVecs * Vec::kWidth) {
        // Elements of neighbouring taps are the same; kept in registers for later taps they would be spilled instead.
        asm("" : "+r"(p));
        Vec wv[kVecs];
#pragma GCC unroll 2
        for (int j = 0; j < kVecs; ++j) wv[j] = Vec::load(w + j * Vec::kWidth);
#pragma GCC unroll 16
        for (int t = 0; t < kImageTile; ++t) {
          const Vec xv = Vec::set(p[t * kStride]);
#pragma GCC unroll 2
          for (int j = 0; j < kVecs; ++j) acc[t][j] = fma(xv, wv[j], acc[t][j]);
        }
      }
    }
  const std::int64_t lanes = filters - (kVecs - 1) * Vec::kWidth;
  const Vec::Mask tail = Vec::mask(lanes < Vec::kWidth ? lanes : Vec::kWidth);
  const bool zeros = e.padded && lanes < Vec::kWidth;
#pragma GCC unroll 16
  for (int t = 0; t < kImageTile; ++t) {
    if (t >= count) break;
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) {
      const Vec::Mask m = j + 1 == kVecs ? tail : Vec::mask(Vec::kWidth);
      float* to = e.out.data + t * e.out.pixel + j * e.out.vector;
      const float* residual = e.residual.data;
      if (residual != nullptr) residual += t * e.residual.pixel + j * e.residual.vector;
      Vec y = acc[t][j];
      if (e.bias != nullptr) y = y + Vec::load(e.bias + j * Vec::kWidth, m);
      if (residual != nullptr && !e.after) y = y + Vec::load(residual, m);
      y = min(e.high, max(e.low, y));
      if (residual != nullptr && e.after) y = y + Vec::load(residual, m);
      if (zeros && j + 1 == kVecs) Vec::zero().store(to);
      y.store(to, m);
    }
  }
}

/// Fills the strip for output rows from oh0 on of image n.
MONZA_INLINE void fill_strip(const TensorView& x, const ConvShape& s, const Strip& strip, std::int64_t n,
                             std::int64_t oh0, float* to) {
  const std::int64_t left = s.pad[2] > 0 ? (s.pad[2] < strip.width ? s.pad[2] : strip.width) : 0;
  const std::int64_t skip = s.pad[2] < 0 ? -s.pad[2] : 0;
  std::int64_t inside = s.in[2] - skip;
  if (inside > strip.width - left) inside = strip.width - left;
  if (inside < 0) inside = 0;
  for (std::int64_t c = 0; c < s.channels; ++c)
    for (std::int64_t h = 0; h < strip.height; ++h) {
      float* line = to + c * strip.plane() + h * strip.width;
      const std::int64_t ih = oh0 * s.stride[1] - s.pad[1] + h;
      if (ih < 0 || ih >= s.in[1]) {
        zero_run(line, strip.width);
        continue;
      }
      zero_run(line, left);
      copy_run(line + left, x.as<float>() + ((n * s.channels + c) * s.in[1] + ih) * s.in[2] + skip, inside);
      zero_run(line + left + inside, strip.width - left - inside);
    }
}

Status run_conv_image(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ConvParams>();
  const ConvShape s = conv_shape(c);
  if (s.pixels == 0 || s.filters == 0) return {};
  const GemmOut o = conv_out(c, p, s, 0);
  const Strip strip = strip_of(s.channels, s.out[1], s.out[2], s.k[1], s.k[2], s.stride[1], s.stride[2]);
  const std::int64_t blocks = (s.out[1] + strip.rows_out - 1) / strip.rows_out;
  const std::size_t scratch = static_cast<std::size_t>(s.channels * strip.plane() + 64) * sizeof(float);
  const bool in_tile = is_clamp(p.act.kind);
  const ChannelVectors out = channel_vectors(c.out[0], Vec::kWidth);
  ChannelVectors res;
  if (c.has_input(3)) res = channel_vectors(c.in[3], Vec::kWidth);
  ImageEnd end;
  end.low = Vec::set(in_tile ? clamp_low(p.act) : -__builtin_inff());
  end.high = Vec::set(in_tile ? clamp_high(p.act) : __builtin_inff());
  end.after = o.residual_after;
  end.padded = c.out[0].layout != Layout::strided;
  const std::int64_t taps = s.channels * s.taps(), vectors = padded_columns(s.filters, Vec::kWidth) / Vec::kWidth;
  parallel_for(*c.parallel, s.batch * blocks, [&](std::int64_t task, int worker) {
    const std::int64_t n = task / blocks, oh0 = task % blocks * strip.rows_out;
    const std::int64_t oh1 = oh0 + strip.rows_out < s.out[1] ? oh0 + strip.rows_out : s.out[1];
    float* x = reinterpret_cast<float*>(c.scratch + static_cast<std::size_t>(worker) * ((scratch + 63) / 64 * 64));
    fill_strip(c.in[0], s, strip, n, oh0, x);
    for (std::int64_t oh = oh0; oh < oh1; ++oh)
      for (std::int64_t tile = 0; tile < strip.tiles; ++tile) {
        const std::int64_t ow = tile * kImageTile, pixel = oh * s.out[2] + ow;
        const std::int64_t count = s.out[2] - ow < kImageTile ? s.out[2] - ow : kImageTile;
        const float* from = x + (oh - oh0) * s.stride[1] * strip.width + ow * s.stride[2];
        const float* w = c.in[1].as<float>();
        for (std::int64_t v = 0; v < vectors; v += 2) {
          const int vecs = vectors - v == 1 ? 1 : 2;
          ImageEnd e = end;
          e.out = {out.data + n * out.image + pixel * out.pixel + v * out.vector, out.image, out.pixel, out.vector};
          e.residual = res;
          if (res.data != nullptr) e.residual.data += n * res.image + pixel * res.pixel + v * res.vector;
          const float* residual = e.residual.data;
          if (!in_tile && e.after) e.residual.data = nullptr;  // added by finish_rows
          e.bias = o.bias != nullptr ? o.bias + v * Vec::kWidth : nullptr;
          const auto run = s.stride[2] == 1   ? (vecs == 1 ? image_tile<1, 1> : image_tile<1, 2>)
                           : s.stride[2] == 2 ? (vecs == 1 ? image_tile<2, 1> : image_tile<2, 2>)
                                              : (vecs == 1 ? image_tile<4, 1> : image_tile<4, 2>);
          const std::int64_t filters = s.filters - v * Vec::kWidth;
          run(s, strip, from, w, e, count, filters);
          w += taps * vecs * Vec::kWidth;
          for (int i = 0; i < vecs && !in_tile; ++i) {
            GemmOut finish = o;
            finish.ldc = out.pixel;
            finish.ldr = res.pixel;
            finish.residual = residual != nullptr ? residual + i * res.vector : nullptr;
            if (o.slope != nullptr) finish.slope = o.slope + (v + i) * Vec::kWidth * o.slope_stride;
            const std::int64_t left = filters - i * Vec::kWidth;
            finish_rows(finish, e.out.data + i * out.vector, count, 0, 0, left < Vec::kWidth ? left : Vec::kWidth);
          }
        }
      }
  });
  return {};
}

std::size_t image_scratch(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape &w = q.input(1).shape, &out = q.out[0].shape;
  const Strip strip = strip_of(w[1], out[2], out[3], w[2], w[3], p.stride[0], p.stride[1]);
  const std::size_t each = static_cast<std::size_t>(w[1] * strip.plane() + 64) * sizeof(float);
  return static_cast<std::size_t>(q.threads) * ((each + 63) / 64 * 64);
}

void pack_image(const KernelQuery& q, std::byte* packed) noexcept {
  float* to = reinterpret_cast<float*>(packed);
  const Shape& w = q.input(1).shape;
  const std::int64_t taps = w.count(1, w.rank), padded = padded_columns(w[0], Vec::kWidth);
  for (std::int64_t m = 0; m < padded; ++m)
    for (std::int64_t t = 0; t < taps; ++t)
      to[image_at(Vec::kWidth, m, t, taps, padded / Vec::kWidth)] =
          m < w[0] ? static_cast<const float*>(q.input(1).data)[m * taps + t] : 0.0f;
}

Refusal accepts_image(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_common_refusal(q)) return r;
  if (!q.input(1).constant || q.input(1).dynamic) return "the weight is not constant";
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape& w = q.input(1).shape;
  if (p.spatial != 2) return "not two spatial axes";
  if (p.group != 1 || w[1] > kMostImageChannels || w[1] < 1) return "not a few channels in one group";
  if (p.dilation[0] != 1 || p.dilation[1] != 1) return "dilation is not 1";
  if (p.stride[1] != 1 && p.stride[1] != 2 && p.stride[1] != 4) return "the stride along the width is not 1, 2 or 4";
  if (q.in[0].dynamic || q.out[0].dynamic) return "the image's extents vary: its strip has no fixed size";
  return nullptr;
}

constexpr Packing kImagePacking{.input = 1,
                                .bytes = [](const KernelQuery& q) noexcept { return image_bytes(Vec::kWidth, q); },
                                .pack = pack_image,
                                .format = Vec::kWidth == 8 ? &conv_image_8 : &conv_image_16};

/// To channels-last pixels, or to blocks of channels.
consteval Kernel conv_image_kernel(const char* name, Isa needs, Port pixels) {
  return {.name = name,
          .op = "Conv",
          .needs = needs,
          .in{Port::dense, Port::packed, Port::dense, pixels, Port::dense},
          .out{pixels},
          .packings = &kImagePacking,
          .packing_count = 1,
          .accepts = accepts_image,
          .scratch_bytes = image_scratch,
          .run = run_conv_image};
}

}  // namespace
}  // namespace monza::ops
