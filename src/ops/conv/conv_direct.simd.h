// Direct convolution over vectors of channels: a register tile of output pixels of one row times one or two vectors of
// filters, each input element broadcast once for all of its tile's filters. Serves the channel-blocked layout
// (NCHW16c, NCHW8c) and channels-last: they differ in where a vector of channels lies, see ChannelVectors.
//
// Unlike the matrix product of conv_gemm, nothing is gathered for every tap: a task copies the rows that it needs once,
// in blocks of channels, with the zeros around them and the columns sorted by their remainder by the stride, so that
// the pixels of a tile always follow each other. Images that need no padding are read where they lie under a 1x1
// kernel (as one long row if the stride is 1), and under others if they are blocked and the stride is 1.
//
// Channels-last pixels of less than a vector stay as they are in the strip: the taps of a kernel row follow each other.
//
// Weights are packed as [group][pair of filter vectors][channel block][tap][channel][filters]. Channel blocks go in
// chunks whose weights stay in L1 while all of a task's rows pass; sums wait in the output between chunks.
//
// Floor: 2 * pixels * filters * channels * taps FLOP over the peak of the FMA ports (two vectors a cycle). A tile of
// 14 x 2 vectors takes 16 loads for 28 products, one of 14 x 1 takes 15 for 14, which the two load ports just carry.
// The copy adds a load and a store for every taps * filters / stride^2 products.
#pragma once

#include "ops/conv/conv_gemm_pack.simd.h"
#include "ops/conv/conv_parts.simd.h"
#include "ops/conv/conv_shape.simd.h"
#include "ops/conv/conv_strip.simd.h"
#include "ops/matmul/finish.simd.h"
#include "ops/matmul/gemm_rows.simd.h"

namespace monza::ops {
namespace {

/// Pixels of a tile of two vectors of filters: 28 or 12 sums, the weights and an element fill the registers. Of one
/// vector: enough sums to hide the latency of their products, two ports of four cycles.
constexpr int kPixelsOfTwo = Vec::kRegisters == 32 ? 14 : 6;
constexpr int kPixelsOfOne = Vec::kRegisters == 32 ? 14 : 12;
constexpr std::int64_t kMostTaps = 128;
constexpr std::int64_t kWeightFloats = (24 << 10) / 4;  // of a chunk, within the L1 cache

/// One tile over one chunk of channel blocks.
struct DirectTile {
  const float* x;               // first pixel under tap 0, first block of the chunk
  std::int64_t pixel;           // floats from one pixel to the next; kWidth unless pitched
  std::int64_t block;           // floats from one block of channels to the next
  std::int64_t blocks, tail;    // blocks of the chunk, channels of its last one
  const std::int64_t* offsets;  // [taps] floats
  std::int64_t taps;
  const float* w;
  ChannelVectors out, residual;  // data at the tile's first pixel and filter
  const float* bias;             // at the tile's first filter, or null
  std::int64_t filters;          // that exist from the tile's first on
  bool first, last;              // chunk
  bool after;                    // the residual is added after the bounds
  bool padded;                   // the output's block goes on after the last filter: with zeros
  float low, high;
};

/// kPitched: pixels lie at any distance, else a vector apart.
template <int kT, int kV, bool kPitched>
__attribute__((noinline)) void direct_tile(const DirectTile& d) {
  Vec acc[kT][kV];
  const std::int64_t lanes = d.filters - (kV - 1) * kWidth;  // of the last vector
  const bool whole = lanes >= kWidth;
  const Vec::Mask tail = Vec::mask(whole ? kWidth : lanes);
  // Masked accesses cost several plain ones with AVX2.
  const auto read = [&](const float* p, int v) __attribute__((always_inline)) {
    return v + 1 < kV || whole ? Vec::load(p) : Vec::load(p, tail);
  };
#pragma GCC unroll 2
  for (int v = 0; v < kV; ++v) {
    const Vec bias = d.bias == nullptr ? Vec::zero() : read(d.bias + v * kWidth, v);
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t) acc[t][v] = bias;
  }
  if (!d.first) {
#pragma GCC unroll 2
    for (int v = 0; v < kV; ++v) {
      const float* from = d.out.data + v * d.out.vector;
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t, from += d.out.pixel) acc[t][v] = read(from, v);
    }
  }
  const float* w = d.w;
  for (std::int64_t b = 0; b < d.blocks; ++b) {
    const std::int64_t channels = b + 1 == d.blocks ? d.tail : kWidth;
    for (std::int64_t tap = 0; tap < d.taps; ++tap) {
      // Three pixels share a register: the pitch and its double are what an address can add.
      constexpr int kBases = kPitched ? (kT + 2) / 3 : 1;
      const float* x[kBases];
      x[0] = d.x + b * d.block + d.offsets[tap];
#pragma GCC unroll 5
      for (int i = 1; i < kBases; ++i) x[i] = x[i - 1] + 3 * d.pixel;
      for (const float* end = x[0] + channels; x[0] < end; w += kV * kWidth) {
        Vec wv[kV];
#pragma GCC unroll 2
        for (int v = 0; v < kV; ++v) wv[v] = Vec::load(w + v * kWidth);
#pragma GCC unroll 16
        for (int t = 0; t < kT; ++t) {
          const Vec xv = Vec::set(kPitched ? x[t / 3][t % 3 * d.pixel] : x[0][t * kWidth]);
#pragma GCC unroll 2
          for (int v = 0; v < kV; ++v) acc[t][v] = fma(xv, wv[v], acc[t][v]);
        }
#pragma GCC unroll 5
        for (int i = 0; i < kBases; ++i) {
          ++x[i];
          asm("" : "+r"(x[i]));  // keeps these registers instead of one for every pixel
        }
      }
    }
  }
  const Vec low = Vec::set(d.low), high = Vec::set(d.high);
#pragma GCC unroll 2
  for (int v = 0; v < kV; ++v) {
    const bool part = v + 1 == kV && !whole;
    float* to = d.out.data + v * d.out.vector;
    const float* r = d.residual.data != nullptr && d.last ? d.residual.data + v * d.residual.vector : nullptr;
#pragma GCC unroll 16
    for (int t = 0; t < kT; ++t, to += d.out.pixel) {
      Vec y = acc[t][v], residual = Vec::zero();
      if (r != nullptr) {
        residual = read(r, v);
        r += d.residual.pixel;
        if (!d.after) y = y + residual;
      }
      if (d.last) y = min(high, max(low, y));
      if (r != nullptr && d.after) y = y + residual;
      if (!part) {
        y.store(to);
        continue;
      }
      if (d.padded && d.last) Vec::zero().store(to);
      y.store(to, tail);
    }
  }
}

using DirectFn = void (*)(const DirectTile&);
template <int kV, bool kPitched, int kT = kV == 2 ? kPixelsOfTwo : kPixelsOfOne>
MONZA_INLINE DirectFn direct_fn(std::int64_t pixels) {
  if constexpr (kT > 1)
    if (pixels < kT) return direct_fn<kV, kPitched, kT - 1>(pixels);
  return direct_tile<kT, kV, kPitched>;
}
MONZA_INLINE DirectFn direct_fn(std::int64_t pixels, int vecs, bool pitched) {
  if (pitched) return vecs == 2 ? direct_fn<2, true>(pixels) : direct_fn<1, true>(pixels);
  return vecs == 2 ? direct_fn<2, false>(pixels) : direct_fn<1, false>(pixels);
}

/// What one convolution of one image and group needs.
struct Direct {
  ConvShape s;
  ChannelVectors x, out, residual;
  std::int64_t rows, width, last_width;  // rows of output pixels that follow each other, the last may be shorter
  std::int64_t offsets[kMostTaps];       // of the taps, in the strip or the image
  std::int64_t blocks, chunk;            // blocks of input channels, and of a chunk
  std::int64_t vectors;                  // of a group's filters
  std::int64_t step;                     // floats from the input pixel of one output to that of the next
  std::int64_t rows_each;                // rows of a task at most
  bool in_place;                         // the image is read where it lies,
  bool narrow;                           // the strip has pixels of fewer channels than a vector, all of them
  bool long_row;                         // all of its pixels as one row
  Strip strip;
};

/// The strip of narrow pixels: rows of (width - 1) * stride + k pixels, channels of all of them in a row.
MONZA_INLINE void fill_narrow(const Direct& d, std::int64_t n, std::int64_t g, std::int64_t row0, std::int64_t height,
                              float* strip) {
  const ConvShape& s = d.s;
  const std::int64_t width = (s.out[2] - 1) * s.stride[2] + s.k[2];
  const std::int64_t left = s.pad[2] < 0 ? 0 : s.pad[2] < width ? s.pad[2] : width;
  const std::int64_t skip = s.pad[2] < 0 ? -s.pad[2] : 0;
  std::int64_t inside = s.in[2] - skip < width - left ? s.in[2] - skip : width - left;
  if (inside < 0) inside = 0;
  for (std::int64_t h = 0; h < height; ++h) {
    float* to = strip + h * width * s.channels;
    const std::int64_t ih = row0 * s.stride[1] - s.pad[1] + h;
    if (ih < 0 || ih >= s.in[1]) {
      zero_run(to, width * s.channels);
      continue;
    }
    const float* from = d.x.data + n * d.x.image + (ih * s.in[2] + skip) * d.x.pixel + g * s.channels;
    zero_run(to, left * s.channels);
    to += left * s.channels;
    if (d.x.pixel == s.channels) {
      copy_run(to, from, inside * s.channels);
    } else {
      for (std::int64_t i = 0; i < inside; ++i) copy_run(to + i * s.channels, from + i * d.x.pixel, s.channels);
    }
    zero_run(to + inside * s.channels, (width - left - inside) * s.channels);
  }
}

/// Copies the rows under output rows [row0, row0 + rows) of image n, group g.
MONZA_INLINE void fill_strip(const Direct& d, std::int64_t n, std::int64_t g, std::int64_t row0, std::int64_t rows,
                             float* strip) {
  const ConvShape& s = d.s;
  const std::int64_t reach_h = (s.k[1] - 1) * s.dilation[1] + 1, height = d.strip.rows(rows, s.stride[1], reach_h);
  if (d.narrow) return fill_narrow(d, n, g, row0, height, strip);
  const std::int64_t first = g * s.channels;
  for (std::int64_t b = 0; b < d.blocks; ++b) {
    const std::int64_t lanes = s.channels - b * kWidth < kWidth ? s.channels - b * kWidth : kWidth;
    const Vec::Mask m = Vec::mask(lanes);
    const std::int64_t channel = first + b * kWidth;
    const float* image = d.x.data + n * d.x.image + channel / kWidth * d.x.vector + channel % kWidth;
    for (std::int64_t h = 0; h < height; ++h) {
      if (h % s.stride[1] >= reach_h) continue;  // between the rows of a kernel smaller than the stride
      const std::int64_t ih = row0 * s.stride[1] - s.pad[1] + h;
      for (std::int64_t phase = 0; phase < d.strip.phases; ++phase) {
        float* to = strip + ((b * height + h) * d.strip.phases + phase) * d.strip.columns * kWidth;
        if (ih < 0 || ih >= s.in[1]) {
          zero_run(to, d.strip.columns * kWidth);
          continue;
        }
        // Column i of the phase is pixel i * stride + phase - pad: inside for i in [begin, end).
        const std::int64_t shift = phase - s.pad[2];
        std::int64_t begin = shift < 0 ? (-shift + s.stride[2] - 1) / s.stride[2] : 0;
        std::int64_t end = s.in[2] > shift ? (s.in[2] - shift + s.stride[2] - 1) / s.stride[2] : 0;
        if (end > d.strip.columns) end = d.strip.columns;
        if (begin > end) begin = end;
        zero_run(to, begin * kWidth);
        const float* from = image + (ih * s.in[2] + begin * s.stride[2] + shift) * d.x.pixel;
        const std::int64_t step = s.stride[2] * d.x.pixel;
        if (lanes == kWidth) {
          for (std::int64_t i = begin; i < end; ++i, from += step) Vec::load(from).store(to + i * kWidth);
        } else {
          for (std::int64_t i = begin; i < end; ++i, from += step) Vec::load(from, m).store(to + i * kWidth);
        }
        zero_run(to + end * kWidth, (d.strip.columns - end) * kWidth);
      }
    }
  }
}

/// The activation of a tile's pixels, and a residual after it, where they are no bounds; v: its first vector of
/// filters.
MONZA_INLINE void finish_direct(const Direct& d, const GemmOut& post, std::int64_t v, const DirectTile& tile,
                                const float* residual, std::int64_t count, int vecs) {
  GemmOut finish = post;
  finish.ldc = d.out.pixel;
  finish.ldr = d.residual.pixel;
  for (int i = 0; i < vecs; ++i) {
    const std::int64_t lanes = tile.filters - i * kWidth < kWidth ? tile.filters - i * kWidth : kWidth;
    finish.residual = residual != nullptr ? residual + i * d.residual.vector : nullptr;
    if (post.slope != nullptr) finish.slope = post.slope + (v + i) * kWidth * post.slope_stride;
    finish_rows(finish, tile.out.data + i * d.out.vector, count, 0, 0, lanes);
  }
}

/// Rows [row0, row0 + rows) and filter vectors [v0, v1) of image n, group g. Where the input is not read in place, its
/// strip comes from `source` or, if that is null, from the input.
MONZA_INLINE void direct_task(const Direct& d, const KernelContext& c, std::int64_t n, std::int64_t g,
                              std::int64_t row0, std::int64_t rows, std::int64_t v0, std::int64_t v1, float* strip,
                              const StripSource* source) {
  const ConvShape& s = d.s;
  const auto& p = c.params_as<ConvParams>();
  const GemmOut post = conv_out(c, p, s, g);
  const bool in_tile = is_clamp(p.act.kind);
  const std::int64_t taps = s.taps(), reach_h = (s.k[1] - 1) * s.dilation[1] + 1;
  DirectTile tile;
  const float* x;
  std::int64_t row_step;
  if (d.in_place) {
    row_step = (d.long_row ? d.width : s.stride[1] * s.in[2]) * d.x.pixel;
    const std::int64_t channel = g * s.channels;
    x = d.x.data + n * d.x.image + channel / kWidth * d.x.vector + channel % kWidth + row0 * row_step;
    tile.block = d.x.vector;
  } else {
    if (source != nullptr) {
      source->make(source->self, n, row0, rows, strip);
    } else {
      fill_strip(d, n, g, row0, rows, strip);
    }
    x = strip;
    tile.block = d.strip.rows(rows, s.stride[1], reach_h) * d.strip.row();
    row_step = s.stride[1] * (d.narrow ? ((s.out[2] - 1) * s.stride[2] + s.k[2]) * s.channels : d.strip.row());
  }
  tile.out = d.out;
  tile.residual = d.residual;
  tile.offsets = d.offsets;
  tile.pixel = d.step;
  tile.taps = d.narrow ? s.k[1] : taps;
  tile.after = p.residual_after != 0;
  tile.padded = c.out[0].layout != Layout::strided;
  tile.low = in_tile ? clamp_low(p.act) : -__builtin_inff();
  tile.high = in_tile ? clamp_high(p.act) : __builtin_inff();
  const float* weights = c.in[1].as<float>() + g * s.channels * taps * d.vectors * kWidth;
  for (std::int64_t v = v0; v < v1; v += 2) {
    const int vecs = v1 - v == 1 ? 1 : 2;
    const std::int64_t filter = g * s.filters + v * kWidth, at = filter / kWidth, lane = filter % kWidth;
    tile.filters = s.filters - v * kWidth < vecs * kWidth ? s.filters - v * kWidth : vecs * kWidth;
    tile.bias = post.bias != nullptr ? post.bias + v * kWidth : nullptr;
    for (std::int64_t b0 = 0; b0 < d.blocks; b0 += d.chunk) {
      tile.blocks = d.blocks - b0 < d.chunk ? d.blocks - b0 : d.chunk;
      tile.first = b0 == 0;
      tile.last = b0 + tile.blocks == d.blocks;
      tile.tail = d.narrow ? s.k[2] * s.channels : tile.last ? s.channels - (d.blocks - 1) * kWidth : kWidth;
      tile.w = weights + v * kWidth * s.channels * taps + b0 * kWidth * taps * vecs * kWidth;
      const std::int64_t most = vecs == 2 ? kPixelsOfTwo : kPixelsOfOne;
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t width = row0 + r + 1 == d.rows ? d.last_width : d.width;
        const std::int64_t tiles = (width + most - 1) / most, each = (width + tiles - 1) / tiles;
        const std::int64_t first = (row0 + r) * d.width;
        const DirectFn whole = direct_fn(each, vecs, d.step != kWidth);
        tile.x = x + b0 * tile.block + r * row_step;
        tile.out.data = d.out.data + n * d.out.image + at * d.out.vector + lane + first * d.out.pixel;
        const float* residual = nullptr;
        if (d.residual.data != nullptr)
          residual = d.residual.data + n * d.residual.image + at * d.residual.vector + lane + first * d.residual.pixel;
        for (std::int64_t ow = 0; ow < width; ow += each) {
          const std::int64_t count = width - ow < each ? width - ow : each;
          tile.residual.data = in_tile || !tile.after ? const_cast<float*>(residual) : nullptr;  // else finish_rows's
          (count == each ? whole : direct_fn(count, vecs, d.step != kWidth))(tile);
          if (!in_tile && tile.last) finish_direct(d, post, v, tile, residual, count, vecs);
          tile.x += each * d.step;
          tile.out.data += each * d.out.pixel;
          if (residual != nullptr) residual += each * d.residual.pixel;
        }
      }
    }
  }
}

MONZA_INLINE Direct direct_of(const KernelContext& c, bool may_read_in_place) {
  Direct d;
  d.s = conv_shape(c);
  const ConvShape& s = d.s;
  d.x = channel_vectors(c.in[0], kWidth);
  d.out = channel_vectors(c.out[0], kWidth);
  if (c.has_input(3)) d.residual = channel_vectors(c.in[3], kWidth);
  d.blocks = (s.channels + kWidth - 1) / kWidth;
  d.vectors = (s.filters + kWidth - 1) / kWidth;
  d.chunk = kWeightFloats / (s.taps() * kWidth * 2 * kWidth);
  if (d.chunk < 1) d.chunk = 1;
  // Pixels a multiple of 4096 bytes apart compete for the same lines of the L1 cache: those are copied.
  d.step = s.stride[2] * d.x.pixel;
  d.in_place = may_read_in_place && (s.taps() == 1 || d.step == kWidth) && d.step % 1024 != 0;
  for (int i = 1; i < 3; ++i)
    d.in_place =
        d.in_place && s.pad[i] == 0 && (s.out[i] - 1) * s.stride[i] + (s.k[i] - 1) * s.dilation[i] + 1 <= s.in[i];
  d.narrow = !d.in_place && may_read_in_place && c.in[0].layout == Layout::strided && s.channels < kWidth &&
             s.dilation[2] == 1 && s.stride[2] <= s.k[2];
  if (!d.in_place) d.step = d.narrow ? s.stride[2] * s.channels : kWidth;
  d.strip = strip_of(s.channels, s.out + 1, s.k + 1, s.stride + 1, s.dilation + 1);
  const std::int64_t narrow_row = ((s.out[2] - 1) * s.stride[2] + s.k[2]) * s.channels;
  for (std::int64_t kh = 0, i = 0; kh < s.k[1]; ++kh)
    for (std::int64_t kw = 0; kw < (d.narrow ? 1 : s.k[2]); ++kw, ++i) {
      const std::int64_t h = kh * s.dilation[1], w = kw * s.dilation[2];
      d.offsets[i] = d.in_place ? (h * s.in[2] + w) * d.x.pixel
                     : d.narrow ? h * narrow_row
                                : h * d.strip.row() + (w % s.stride[2] * d.strip.columns + w / s.stride[2]) * kWidth;
    }
  d.rows = s.out[1];
  d.width = d.last_width = s.out[2];
  d.rows_each = d.strip.rows_out;
  d.long_row =
      d.in_place && s.taps() == 1 && s.stride[1] == 1 && s.stride[2] == 1 && s.out[1] == s.in[1] && s.out[2] == s.in[2];
  if (d.long_row) {
    // In pieces of whole tiles.
    const std::int64_t pixels = s.out[1] * s.out[2], most = 8 * kPixelsOfTwo;
    d.width = pixels < most ? pixels : most;
    d.rows = (pixels + d.width - 1) / d.width;
    d.last_width = pixels - (d.rows - 1) * d.width;
    d.rows_each = kStripFloats / (d.blocks * d.width * kWidth);
    if (d.rows_each < 1) d.rows_each = 1;
  }
  return d;
}

/// All images and groups, cut into tasks, with strips from `source` or, if that is null, from the input.
void run_direct(const KernelContext& c, const StripSource* source) {
  const bool own_input = source == nullptr;
  const Direct d = direct_of(c, own_input);
  const ConvShape& s = d.s;
  if (s.pixels == 0 || s.filters == 0) return;
  std::int64_t rows_each = d.rows_each;
  // A few tasks for each thread: by rows where there are enough, else by filters, which copy their strip again: not
  // where it has to be computed. No sum depends on it.
  const std::int64_t want = c.parallel->threads() > 1 ? 3 * c.parallel->threads() : 1, outer = s.batch * s.groups;
  std::int64_t vectors_each = d.vectors;
  const auto tasks = [&] {
    return outer * ((d.rows + rows_each - 1) / rows_each) * ((d.vectors + vectors_each - 1) / vectors_each);
  };
  while (tasks() < want && rows_each > 2) rows_each = (rows_each + 1) / 2;
  while (own_input && tasks() < want && vectors_each > 2) vectors_each = (vectors_each + 3) / 4 * 2;
  const std::int64_t row_blocks = (d.rows + rows_each - 1) / rows_each,
                     filter_blocks = (d.vectors + vectors_each - 1) / vectors_each;
  const std::int64_t reach_h = (s.k[1] - 1) * s.dilation[1] + 1;
  const std::int64_t strip = strip_floats(d.strip, s.channels, s.stride[1], reach_h);
  parallel_for(*c.parallel, outer * row_blocks * filter_blocks, [&](std::int64_t task, int worker) {
    const std::int64_t v0 = task % filter_blocks * vectors_each, row0 = task / filter_blocks % row_blocks * rows_each;
    const std::int64_t image = task / filter_blocks / row_blocks;
    const std::int64_t rows = d.rows - row0 < rows_each ? d.rows - row0 : rows_each;
    const std::int64_t v1 = v0 + vectors_each < d.vectors ? v0 + vectors_each : d.vectors;
    direct_task(d, c, image / s.groups, image % s.groups, row0, rows, v0, v1,
                reinterpret_cast<float*>(c.scratch) + worker * strip, source);
  });
}

Status run_conv_direct(const KernelContext& c) noexcept {
  run_direct(c, nullptr);
  return {};
}

Refusal accepts_direct(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_common_refusal(q)) return r;
  if (!q.input(1).constant || q.input(1).dynamic) return "the weight is not constant";
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape& w = q.input(1).shape;
  if (p.spatial > 2) return "three spatial axes";
  if (w[1] < 1) return "no input channels";
  if (w[1] == 1 && w[0] > 1 && p.group == w[0]) return "depthwise: one filter a vector";
  if (w.count(2, w.rank) > kMostTaps) return "the kernel has more than 128 taps";
  return nullptr;
}
Refusal accepts_direct_blocked(const KernelQuery& q) noexcept {
  if (const Refusal r = accepts_direct(q)) return r;
  return blocked_group_refusal(q, kWidth);
}

constexpr Packing kDirectPacking{
    .input = 1,
    .bytes = [](const KernelQuery& q) noexcept { return direct_bytes(kWidth, q); },
    .pack = [](const KernelQuery& q, std::byte* packed) noexcept { pack_direct(kWidth, q, packed); },
    .format = kWidth == 8 ? &conv_direct_8 : &conv_direct_16};

/// Over channels-last pixels, or over blocks of channels.
consteval Kernel conv_direct_kernel(const char* name, Isa needs, Port pixels) {
  return {.name = name,
          .op = "Conv",
          .needs = needs,
          .in{pixels, Port::packed, Port::dense, pixels, Port::dense},
          .out{pixels},
          .packings = &kDirectPacking,
          .packing_count = 1,
          .accepts = pixels == Port::channels_last ? accepts_direct : accepts_direct_blocked,
          .scratch_bytes = direct_scratch,
          .run = run_conv_direct};
}

}  // namespace
}  // namespace monza::ops
