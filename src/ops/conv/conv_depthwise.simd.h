// Depthwise convolution over vectors of channels, one filter a channel: channels-last, or the channel-blocked layout,
// where each block of channels of an image is taken as an image of its own.
//
// Weights are packed as [channel block][tap][vector]. A run of kT output pixels of a row shares its loads: a kernel
// row takes kT * stride + k loads for kT * k products. Runs whose kernels leave the image, or that go on after the
// row's last pixel, test each load and store. Dilated kernels and other sizes than 3, 5 and 7 go tap by tap.
//
// Floor: input and output once through memory (or L2) against 2 * taps FLOP an element; at 3x3 the loads
// (about 0.6 per product at stride 1) bind before the FMA ports do.
#pragma once

#include "ops/conv/conv_gemm_pack.simd.h"
#include "ops/conv/conv_parts.simd.h"
#include "ops/conv/conv_shape.simd.h"
#include "ops/matmul/finish.simd.h"

namespace monza::ops {
namespace {

struct Depthwise {
  ConvShape s;
  const float* x;
  const float* w;  // packed
  GemmOut out;
  std::int64_t out_vector = Vec::kWidth;  // floats from one vector of the output's channels to the next
  bool in_tile;                           // the activation is a bound, and these are it
  bool padded;                            // the output's vector goes on after the last channel: with zeros
  Vec low, high;
};

/// The kernel rows that lie inside of the image for one output row.
struct Lines {
  std::int64_t od, oh, n;
  std::int64_t d0, d1, h0, h1;  // valid kernel indices along depth and height
};

/// First kernel index with position >= 0, and the end of those with position < in.
MONZA_INLINE void valid_taps(std::int64_t origin, std::int64_t dilation, std::int64_t k, std::int64_t in,
                             std::int64_t& begin, std::int64_t& end) {
  begin = origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
  end = origin >= in ? 0 : (in - origin + dilation - 1) / dilation;
  if (begin > k) begin = k;
  if (end > k) end = k;
  if (end < begin) end = begin;
}

/// The kernel rows inside of the image as pointers: to the input pixel at column 0, channel 0, and the row's weights as
/// floats after a channel block's first.
struct KernelRows {
  int count = 0;
  const float* x[kMostRows];
  std::int64_t w[kMostRows];
};
MONZA_INLINE KernelRows kernel_rows(const Depthwise& d, const Lines& l) {
  const ConvShape& s = d.s;
  KernelRows rows;
  for (std::int64_t kd = l.d0; kd < l.d1; ++kd)
    for (std::int64_t kh = l.h0; kh < l.h1; ++kh) {
      const std::int64_t id = l.od * s.stride[0] - s.pad[0] + kd * s.dilation[0],
                         ih = l.oh * s.stride[1] - s.pad[1] + kh * s.dilation[1];
      rows.x[rows.count] = d.x + ((l.n * s.in[0] + id) * s.in[1] + ih) * s.in[2] * s.x_pitch;
      rows.w[rows.count++] = (kd * s.k[1] + kh) * s.k[2] * Vec::kWidth;
    }
  return rows;
}

/// kT output pixels of a row, `count` of which exist, dilation 1 along the width. Without kEdge all of them do, and all
/// of their kernel columns lie inside of the image.
template <int kK, int kStride, int kT, bool kEdge, bool kTail>
MONZA_INLINE void run_tile(const Depthwise& d, const KernelRows& rows, std::int64_t pixel, std::int64_t iw,
                           std::int64_t count, std::int64_t block, Vec::Mask m) {
  const std::int64_t channel = block * Vec::kWidth, pitch = d.s.x_pitch;
  const auto read = [&](const float* p)
                        __attribute__((always_inline)) { return kTail ? Vec::load(p, m) : Vec::load(p); };
  const float* weights = d.w + block * d.s.taps() * Vec::kWidth;
  const Vec bias = d.out.bias != nullptr ? read(d.out.bias + channel) : Vec::zero();
  Vec acc[kT];
#pragma GCC unroll 8
  for (int t = 0; t < kT; ++t) acc[t] = bias;
  for (int r = 0; r < rows.count; ++r) {
    const float* x = rows.x[r] + iw * pitch + channel;
    const float* w = weights + rows.w[r];
    Vec wv[kK];
#pragma GCC unroll 8
    for (int k = 0; k < kK; ++k) wv[k] = Vec::load(w + k * Vec::kWidth);
#pragma GCC unroll 32
    for (int j = 0; j < (kT - 1) * kStride + kK; ++j) {
      // Each pixel is loaded once, by a plain address: folded into its products as operands with an index, the loads
      // would bind the loop.
      Vec xv = Vec::zero();
      if (!kEdge || static_cast<std::uint64_t>(iw + j) < static_cast<std::uint64_t>(d.s.in[2])) xv = read(x);
      asm("" : "+v"(xv.v));
      x += pitch;
      asm("" : "+r"(x));
#pragma GCC unroll 8
      for (int k = 0; k < kK; ++k)
        if (j >= k && (j - k) % kStride == 0 && (j - k) / kStride < kT)
          acc[(j - k) / kStride] = fma(xv, wv[k], acc[(j - k) / kStride]);
    }
  }
  const GemmOut& o = d.out;
  const float* residual =
      o.residual != nullptr && (!o.residual_after || d.in_tile) ? o.residual + pixel * o.ldr + channel : nullptr;
  // Copies: as far as the compiler knows, stores to the output might change them.
  const Vec low = d.low, high = d.high;
  const std::int64_t ldc = o.ldc, ldr = o.ldr;
  const bool after = o.residual_after, padded = d.padded;
  float* c = o.c + pixel * o.ldc + block * d.out_vector;
#pragma GCC unroll 8
  for (int t = 0; t < kT; ++t) {
    if (kEdge && t >= count) break;
    Vec y = acc[t];
    if (residual != nullptr && !after) y = y + read(residual + t * ldr);
    y = min(high, max(low, y));
    if (residual != nullptr && after) y = y + read(residual + t * ldr);
    if constexpr (kTail) {
      if (padded) Vec::zero().store(c);
      y.store(c, m);
    } else {
      y.store(c);
    }
    c += ldc;
  }
}

template <int kK, int kStride, int kT, bool kEdge>
__attribute__((noinline)) void run_blocks(const Depthwise& d, const KernelRows& rows, std::int64_t pixel,
                                          std::int64_t iw, std::int64_t count) {
  const std::int64_t full = d.s.groups / Vec::kWidth, tail = d.s.groups % Vec::kWidth;
  for (std::int64_t b = 0; b < full; ++b)
    run_tile<kK, kStride, kT, kEdge, false>(d, rows, pixel, iw, count, b, Vec::mask(0));
  if (tail != 0) run_tile<kK, kStride, kT, kEdge, true>(d, rows, pixel, iw, count, full, Vec::mask(tail));
}

/// kN vectors of channels of one output pixel, kernel columns [w0, w1).
template <int kN, bool kTail>
MONZA_INLINE void run_taps(const Depthwise& d, const KernelRows& rows, std::int64_t pixel, std::int64_t iw,
                           std::int64_t w0, std::int64_t w1, std::int64_t block, Vec::Mask m) {
  const std::int64_t channel = block * Vec::kWidth, step = d.s.dilation[2] * d.s.x_pitch,
                     apart = d.s.taps() * Vec::kWidth;
  const auto read = [&](const float* p, int i) __attribute__((always_inline)) {
    return kTail && i + 1 == kN ? Vec::load(p + i * Vec::kWidth, m) : Vec::load(p + i * Vec::kWidth);
  };
  const GemmOut& o = d.out;
  Vec acc[kN];
#pragma GCC unroll 4
  for (int i = 0; i < kN; ++i) acc[i] = o.bias != nullptr ? read(o.bias + channel, i) : Vec::zero();
  for (int r = 0; r < rows.count; ++r) {
    const float* x = rows.x[r] + iw * d.s.x_pitch + w0 * step + channel;
    const float* w = d.w + block * apart + rows.w[r] + w0 * Vec::kWidth;
    for (std::int64_t kw = w0; kw < w1; ++kw) {
#pragma GCC unroll 4
      for (int i = 0; i < kN; ++i) acc[i] = fma(read(x, i), Vec::load(w + i * apart), acc[i]);
      x += step;
      w += Vec::kWidth;
    }
  }
  const float* residual =
      o.residual != nullptr && (!o.residual_after || d.in_tile) ? o.residual + pixel * o.ldr + channel : nullptr;
  float* c = o.c + pixel * o.ldc + block * d.out_vector;
#pragma GCC unroll 4
  for (int i = 0; i < kN; ++i) {
    if (residual != nullptr && !o.residual_after) acc[i] = acc[i] + read(residual, i);
    acc[i] = min(d.high, max(d.low, acc[i]));
    if (residual != nullptr && o.residual_after) acc[i] = acc[i] + read(residual, i);
    if (kTail && i + 1 == kN) {
      if (d.padded) Vec::zero().store(c + i * d.out_vector);
      acc[i].store(c + i * d.out_vector, m);
    } else {
      acc[i].store(c + i * d.out_vector);
    }
  }
}

/// One output pixel, any kernel, four vectors of channels at a time.
__attribute__((noinline)) void run_pixel(const Depthwise& d, const KernelRows& rows, std::int64_t pixel,
                                         std::int64_t ow) {
  const ConvShape& s = d.s;
  const std::int64_t iw = ow * s.stride[2] - s.pad[2];
  std::int64_t w0, w1;
  valid_taps(iw, s.dilation[2], s.k[2], s.in[2], w0, w1);
  const std::int64_t full = s.groups / Vec::kWidth, tail = s.groups % Vec::kWidth;
  std::int64_t b = 0;
  for (; b + 4 <= full; b += 4) run_taps<4, false>(d, rows, pixel, iw, w0, w1, b, Vec::mask(0));
  for (; b < full; ++b) run_taps<1, false>(d, rows, pixel, iw, w0, w1, b, Vec::mask(0));
  if (tail != 0) run_taps<1, true>(d, rows, pixel, iw, w0, w1, b, Vec::mask(tail));
}

using BlocksFn = void (*)(const Depthwise&, const KernelRows&, std::int64_t, std::int64_t, std::int64_t);
/// Runs of 8 pixels inside of the image, and of 8 and 4 at its edges; or null where only run_pixel serves.
struct Runs {
  BlocksFn inside, edge, short_edge;
};
MONZA_INLINE Runs runs_of(const ConvShape& s) {
#define MONZA_RUNS(K, S)                                                               \
  if (s.k[2] == K && s.stride[2] == S) return {                                        \
      run_blocks<K, S, 8, false>, run_blocks<K, S, 8, true>, run_blocks<K, S, 4, true> \
    }
  if (s.dilation[2] == 1) {
    MONZA_RUNS(3, 1);
    MONZA_RUNS(3, 2);
    MONZA_RUNS(5, 1);
    MONZA_RUNS(5, 2);
    MONZA_RUNS(7, 1);
  }
#undef MONZA_RUNS
  return {nullptr, nullptr, nullptr};
}

/// Block b of image n of a blocked operand.
MONZA_INLINE float* block_of(const TensorView& v, std::int64_t n, std::int64_t b) {
  return v.as<float>() + n * v.stride[0] + b * v.stride[1];
}
/// `d`, cut down to block b of image n.
MONZA_INLINE Depthwise one_block(Depthwise d, const KernelContext& c, std::int64_t n, std::int64_t b) {
  const std::int64_t first = b * Vec::kWidth, left = d.s.groups - first;
  d.x = block_of(c.in[0], n, b);
  d.w += first * d.s.taps();
  d.out.c = block_of(c.out[0], n, b);
  if (d.out.bias != nullptr) d.out.bias += first;
  if (d.out.residual != nullptr) d.out.residual = block_of(c.in[3], n, b);
  if (d.out.slope != nullptr) d.out.slope += first * d.out.slope_stride;
  d.out.ldc = d.out.ldr = d.s.x_pitch = Vec::kWidth;
  d.s.groups = left < Vec::kWidth ? left : Vec::kWidth;
  return d;
}

/// What all rows of an output share, besides Depthwise.
struct Columns {
  Runs runs;
  std::int64_t lo, hi;  // output columns whose kernel columns all lie inside of the image
};
MONZA_INLINE Columns columns_of(const ConvShape& s) {
  Columns c;
  c.runs = runs_of(s);
  c.lo = s.pad[2] > 0 ? (s.pad[2] + s.stride[2] - 1) / s.stride[2] : 0;
  const std::int64_t room = s.in[2] + s.pad[2] - (s.k[2] - 1) * s.dilation[2] - 1;
  c.hi = room < 0 ? 0 : room / s.stride[2] + 1;
  if (c.hi > s.out[2]) c.hi = s.out[2];
  if (c.hi < c.lo) c.lo = c.hi = 0;
  return c;
}

/// Row (n, od, oh) of the output; its pixels begin at pixel `first` of d.out.
MONZA_INLINE void depthwise_row(const Depthwise& d, const Columns& columns, std::int64_t n, std::int64_t od,
                                std::int64_t oh, std::int64_t first) {
  const ConvShape& s = d.s;
  const Runs& runs = columns.runs;
  Lines l;
  l.n = n;
  l.od = od;
  l.oh = oh;
  valid_taps(l.od * s.stride[0] - s.pad[0], s.dilation[0], s.k[0], s.in[0], l.d0, l.d1);
  valid_taps(l.oh * s.stride[1] - s.pad[1], s.dilation[1], s.k[1], s.in[1], l.h0, l.h1);
  const KernelRows rows = kernel_rows(d, l);
  for (std::int64_t ow = 0; ow < s.out[2];) {
    const std::int64_t iw = ow * s.stride[2] - s.pad[2], left = s.out[2] - ow;
    std::int64_t count = 1;
    if (runs.inside == nullptr) {
      run_pixel(d, rows, first + ow, ow);
    } else {
      const bool inside = ow >= columns.lo && ow + 8 <= columns.hi;
      const std::int64_t most = inside || left > 4 ? 8 : 4;
      count = left < most ? left : most;
      (inside ? runs.inside : most == 8 ? runs.edge : runs.short_edge)(d, rows, first + ow, iw, count);
    }
    float* c = d.out.c + (first + ow) * d.out.ldc;
    const std::int64_t together = d.out_vector == Vec::kWidth ? s.groups : Vec::kWidth;
    for (std::int64_t n0 = 0; n0 < s.groups && !d.in_tile; n0 += together)
      finish_rows(d.out, c + n0 / Vec::kWidth * d.out_vector, count, first + ow, n0,
                  n0 + together < s.groups ? n0 + together : s.groups);
    ow += count;
  }
}

MONZA_INLINE Depthwise depthwise_of(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  Depthwise d;
  d.s = conv_shape(c);
  d.x = c.in[0].as<float>();
  d.w = c.in[1].as<float>();
  d.out = conv_out(c, p, d.s, 0);
  d.in_tile = is_clamp(p.act.kind);
  d.padded = c.out[0].layout != Layout::strided;
  d.low = Vec::set(d.in_tile ? clamp_low(p.act) : -__builtin_inff());
  d.high = Vec::set(d.in_tile ? clamp_high(p.act) : __builtin_inff());
  return d;
}

/// conv_depthwise_rows_* of conv_parts.simd.h.
MONZA_INLINE void depthwise_rows(const KernelContext& c, std::int64_t n, std::int64_t row0, std::int64_t rows,
                                 float* to) {
  Depthwise d = depthwise_of(c);
  const Columns columns = columns_of(d.s);
  const std::int64_t row = d.s.out[2] * Vec::kWidth;
  d.out.ldc = Vec::kWidth;
  d.out_vector = rows * row;
  for (std::int64_t r = 0; r < rows; ++r) {
    d.out.c = to + r * row;
    depthwise_row(d, columns, n, 0, row0 + r, 0);
  }
}

Status run_conv_depthwise(const KernelContext& c) noexcept {
  const Depthwise d = depthwise_of(c);
  const ConvShape& s = d.s;
  if (s.pixels == 0 || s.groups == 0) return {};
  const Columns columns = columns_of(s);
  const bool blocked = c.in[0].layout != Layout::strided;
  const std::int64_t blocks = blocked ? (s.groups + Vec::kWidth - 1) / Vec::kWidth : 1;
  const std::int64_t image = s.out[0] * s.out[1], rows = s.batch * blocks * image;
  const std::int64_t want = 4 * c.parallel->threads(), each = (rows + want - 1) / want;
  parallel_for(*c.parallel, (rows + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < rows ? (task + 1) * each : rows;
    Depthwise part = d;
    for (std::int64_t row = task * each, plane = -1; row < end; ++row) {
      const std::int64_t oh = row % s.out[1], od = row / s.out[1] % s.out[0], n = row / image;
      if (!blocked) {
        depthwise_row(d, columns, n, od, oh, row * s.out[2]);
        continue;
      }
      if (n != plane) part = one_block(d, c, n / blocks, n % blocks);
      plane = n;
      depthwise_row(part, columns, 0, od, oh, row % image * s.out[2]);
    }
  });
  return {};
}

Refusal accepts_depthwise(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_common_refusal(q)) return r;
  if (!q.input(1).constant || q.input(1).dynamic) return "the weight is not constant";
  const Shape& w = q.input(1).shape;
  if (w[1] != 1 || w[0] != static_cast<const ConvParams*>(q.params)->group) return "not one filter a channel";
  if (w.count(2, w.rank - 1) > kMostRows) return "the kernel has more than 32 rows";
  return nullptr;
}

constexpr Packing kDepthwisePacking{
    .input = 1,
    .bytes = [](const KernelQuery& q) noexcept { return depthwise_bytes(Vec::kWidth, q); },
    .pack = [](const KernelQuery& q, std::byte* packed) noexcept { pack_depthwise(Vec::kWidth, q, packed); },
    .format = Vec::kWidth == 8 ? &conv_depthwise_8 : &conv_depthwise_16};

/// Over channels-last pixels, or over blocks of channels.
consteval Kernel conv_depthwise_kernel(const char* name, Isa needs, Port pixels) {
  return {.name = name,
          .op = "Conv",
          .needs = needs,
          .in{pixels, Port::packed, Port::dense, pixels, Port::dense},
          .out{pixels},
          .packings = &kDepthwisePacking,
          .packing_count = 1,
          .accepts = accepts_depthwise,
          .run = run_conv_depthwise};
}

}  // namespace
}  // namespace monza::ops
