// 3x3 convolution with stride 1 by Winograd's F(4x4, 3x3): every 4x4 tile of outputs is made from a 6x6 tile of
// inputs with 36 products a channel instead of 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2015; interpolation points 0, 1, -1, 2, -2).
//
//   V[p] = (B^T d B)[p]   : [tiles, C]  for each of the 36 positions p
//   Y[p] = V[p] U[p]      : [tiles, M]  U = G g G^T, packed once
//   out  = A^T Y A        : 4x4 pixels a tile, then bias, residual and activation
//
// A block of tiles goes through the three steps while V and Y lie in L2; V is written in the row pitch that gemm_step
// reads. Floor: a quarter of the direct convolution's FLOP at the FMA ports' peak, plus about 200 vector operations a
// tile for each vector of C and of M, or 36 * 4 * C * M bytes of weights from L3 or memory when tiles are few.
// Rounding: |error| is tested to stay below 2e-5 of the largest sum (1e-6 for the direct kernels).
#pragma once

#include "ops/conv/conv_shape.simd.h"
#include "ops/matmul/finish.simd.h"

namespace monza::ops {
namespace {

constexpr int kPositions = 36;
constexpr std::int64_t kMostTiles = 112;
constexpr std::int64_t kLeastTiles = 14;
constexpr std::int64_t kTileBytes = 500 << 10;  // of V and Y for each worker, within L2

MONZA_INLINE std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

/// How V and Y lie in scratch memory.
struct WinogradPlan {
  std::int64_t tiles_h, tiles_w, tiles;  // of the whole batch
  std::int64_t block;                    // tiles a block
  std::int64_t k_each;                   // channels of a block of K, whole vectors
  std::int64_t k_blocks;
  std::int64_t sections;  // positions that share a row of V (when C is small)
  std::int64_t section;   // floats of one position in a row
  std::int64_t ldy;
  MONZA_INLINE std::int64_t v_floats() const {
    return (kPositions + sections - 1) / sections * k_blocks * block * kPitch + 64;
  }
  MONZA_INLINE std::int64_t y_floats() const { return kPositions * block * ldy + 64; }
  /// Where position p's rows of K block kb begin.
  MONZA_INLINE std::int64_t v_at(std::int64_t p, std::int64_t kb) const {
    return ((p / sections * k_blocks + kb) * block) * kPitch + p % sections * section;
  }
};

MONZA_INLINE std::int64_t winograd_k_each(std::int64_t c) {
  const std::int64_t blocks = (c + kKc - 1) / kKc;
  return round_up((c + blocks - 1) / blocks, Vec::kWidth);
}

MONZA_INLINE WinogradPlan winograd_plan(std::int64_t batch, std::int64_t out_h, std::int64_t out_w, std::int64_t c,
                                        std::int64_t m, int threads) {
  WinogradPlan w;
  w.tiles_h = (out_h + 3) / 4;
  w.tiles_w = (out_w + 3) / 4;
  w.tiles = batch * w.tiles_h * w.tiles_w;
  w.k_each = winograd_k_each(c);
  w.k_blocks = (c + w.k_each - 1) / w.k_each;
  w.section = w.k_each;
  w.sections = w.k_blocks == 1 ? kKc / w.section : 1;
  w.ldy = round_up(m, Vec::kWidth);
  if (w.ldy % 1024 == 0) w.ldy += Vec::kWidth;  // rows 4 KB apart would share a set of L1
  std::int64_t most = threads * kTileBytes / (kPositions * 4 * (c + m));
  if (most < kLeastTiles) most = kLeastTiles;
  if (most > kMostTiles) most = kMostTiles;
  // Even blocks, never above min(most, tiles): scratch sized for the largest image serves smaller ones.
  const std::int64_t blocks = (w.tiles + most - 1) / most;
  w.block = blocks == 0 ? 1 : (w.tiles + blocks - 1) / blocks;
  return w;
}

/// B^T d on six vectors.
MONZA_INLINE void input_transform(const Vec* d, Vec* o) {
  const Vec two = Vec::set(2.0f), four = Vec::set(4.0f), five = Vec::set(5.0f);
  const Vec a = fnma(four, d[2], d[4]), b = fnma(four, d[1], d[3]);
  const Vec c = d[4] - d[2], e = two * (d[3] - d[1]);
  o[0] = fma(four, d[0], fnma(five, d[2], d[4]));
  o[1] = a + b;
  o[2] = a - b;
  o[3] = c + e;
  o[4] = c - e;
  o[5] = fma(four, d[1], fnma(five, d[3], d[5]));
}

/// A^T y on six vectors: four.
MONZA_INLINE void output_transform(const Vec* y, Vec* o) {
  const Vec two = Vec::set(2.0f), four = Vec::set(4.0f), eight = Vec::set(8.0f);
  const Vec a = y[1] + y[2], b = y[1] - y[2], c = y[3] + y[4], d = y[3] - y[4];
  o[0] = y[0] + a + c;
  o[1] = fma(two, d, b);
  o[2] = fma(four, c, a);
  o[3] = fma(eight, d, b) + y[5];
}

/// Where tile t of the batch lies.
struct TileAt {
  std::int64_t n, oh, ow;
};
MONZA_INLINE TileAt tile_at(const WinogradPlan& w, std::int64_t t) {
  return {t / (w.tiles_h * w.tiles_w), t / w.tiles_w % w.tiles_h * 4, t % w.tiles_w * 4};
}

__attribute__((noinline)) void transform_input(const ConvShape& s, const WinogradPlan& w, const float* x,
                                               const float* zeros, std::int64_t tile, std::int64_t row, float* v) {
  const TileAt at = tile_at(w, tile);
  const float* from[kPositions];
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t j = 0; j < 6; ++j) {
      const std::int64_t ih = at.oh - s.pad[1] + i, iw = at.ow - s.pad[2] + j;
      const bool inside = ih >= 0 && ih < s.in[1] && iw >= 0 && iw < s.in[2];
      from[i * 6 + j] = inside ? x + ((at.n * s.in[1] + ih) * s.in[2] + iw) * s.x_pitch : zeros;
    }
  const std::int64_t position_rows = w.k_blocks * w.block * kPitch;
  for (std::int64_t c = 0; c < s.channels; c += Vec::kWidth) {
    const Vec::Mask m = Vec::mask(s.channels - c < Vec::kWidth ? s.channels - c : Vec::kWidth);
    Vec t[kPositions];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
      Vec d[6], o[6];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) d[i] = Vec::load(from[i * 6 + j] + c, m);
      input_transform(d, o);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) t[i * 6 + j] = o[i];
    }
    float* to = v + c / w.k_each * w.block * kPitch + row * kPitch + c % w.k_each;
    std::int64_t in_row = 0;
    for (int i = 0; i < 6; ++i) {
      Vec o[6];
      input_transform(t + i * 6, o);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) {
        o[j].store(to + in_row * w.section);
        if (++in_row == w.sections) {
          in_row = 0;
          to += position_rows;
        }
      }
    }
  }
}

__attribute__((noinline)) void transform_output(const ConvShape& s, const WinogradPlan& w, const GemmOut& o,
                                                std::int64_t tile, std::int64_t row, const float* y) {
  const TileAt at = tile_at(w, tile);
  const bool in_tile = is_clamp(o.act.kind);
  const Vec low = Vec::set(in_tile ? clamp_low(o.act) : -__builtin_inff()),
            high = Vec::set(in_tile ? clamp_high(o.act) : __builtin_inff());
  const std::int64_t rows = s.out[1] - at.oh < 4 ? s.out[1] - at.oh : 4,
                     columns = s.out[2] - at.ow < 4 ? s.out[2] - at.ow : 4;
  const std::int64_t pixel = (at.n * s.out[1] + at.oh) * s.out[2] + at.ow;
  const std::int64_t plane = w.block * w.ldy;
  for (std::int64_t n = 0; n < s.filters; n += Vec::kWidth) {
    const Vec::Mask m = Vec::mask(s.filters - n < Vec::kWidth ? s.filters - n : Vec::kWidth);
    const float* from = y + row * w.ldy + n;
    Vec t[24];  // [4][6]
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
      Vec d[6], e[4];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) d[i] = Vec::load(from + (i * 6 + j) * plane);
      output_transform(d, e);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) t[i * 6 + j] = e[i];
    }
    const Vec bias = o.bias != nullptr ? Vec::load(o.bias + n, m) : Vec::zero();
    for (std::int64_t i = 0; i < rows; ++i) {
      Vec e[4];
      output_transform(t + i * 6, e);
      float* c = o.c + (pixel + i * s.out[2]) * o.ldc + n;
      const float* residual = o.residual != nullptr ? o.residual + (pixel + i * s.out[2]) * o.ldr + n : nullptr;
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        if (j >= columns) break;
        Vec value = e[j] + bias;
        if (residual != nullptr && !o.residual_after) value = value + Vec::load(residual + j * o.ldr, m);
        value = min(high, max(low, value));
        if (residual != nullptr && o.residual_after && in_tile) value = value + Vec::load(residual + j * o.ldr, m);
        value.store(c + j * o.ldc, m);
      }
    }
  }
  if (in_tile) return;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t first = pixel + i * s.out[2];
    finish_rows(o, o.c + first * o.ldc, columns, first, 0, s.filters);
  }
}

Status run_winograd(const GemmTable& table, const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  const ConvShape s = conv_shape(c);
  if (s.pixels == 0 || s.filters == 0) return {};
  const int threads = c.parallel->threads();
  const WinogradPlan w = winograd_plan(s.batch, s.out[1], s.out[2], s.channels, s.filters, threads);
  const GemmOut out = conv_out(c, p, s, 0);
  float* zeros = reinterpret_cast<float*>(c.scratch);
  const std::int64_t zero_floats = round_up(s.channels + 64, 16);
  float* v = zeros + zero_floats;
  float* y = v + round_up(w.v_floats(), 16);
  for (std::int64_t i = 0; i < zero_floats; i += Vec::kWidth) Vec::zero().store(zeros + i);
  const float* x = c.in[0].as<float>();
  const float* u = c.in[1].as<float>();
  const std::int64_t matrix = s.channels * padded_columns(s.filters, Vec::kWidth);
  GemmSplit columns = gemm_split(1, s.filters, Vec::kWidth, kPositions, threads);
  for (std::int64_t first = 0; first < w.tiles; first += w.block) {
    const std::int64_t count = w.tiles - first < w.block ? w.tiles - first : w.block;
    // A few tiles a task; each is about 0.1 to 2 microseconds of work.
    const std::int64_t each = threads == 1 ? count : (count + 4 * threads - 1) / (4 * threads),
                       groups = (count + each - 1) / each;
    const auto end_of = [&](std::int64_t g) { return (g + 1) * each < count ? (g + 1) * each : count; };
    parallel_for(*c.parallel, groups, [&](std::int64_t g, int) {
      for (std::int64_t t = g * each; t < end_of(g); ++t) transform_input(s, w, x, zeros, first + t, t, v);
    });
    parallel_for(*c.parallel, kPositions * columns.column_blocks, [&](std::int64_t task, int) {
      const std::int64_t position = task / columns.column_blocks;
      std::int64_t n0, n1;
      split_columns(columns, task % columns.column_blocks, s.filters, n0, n1);
      GemmOut o;
      o.c = y + position * w.block * w.ldy;
      o.ldc = w.ldy;
      for (std::int64_t kb = 0; kb < w.k_blocks; ++kb) {
        const std::int64_t k0 = kb * w.k_each, kc = s.channels - k0 < w.k_each ? s.channels - k0 : w.k_each;
        table.step({.a = v + w.v_at(position, kb),
                    .b = u + position * matrix + packed_b_offset(k0, kc, n0, s.filters, Vec::kWidth),
                    .kc = kc,
                    .rows = count,
                    .row0 = 0,
                    .n0 = n0,
                    .n1 = n1,
                    .first = kb == 0,
                    .last = kb + 1 == w.k_blocks},
                   o);
      }
    });
    parallel_for(*c.parallel, groups, [&](std::int64_t g, int) {
      for (std::int64_t t = g * each; t < end_of(g); ++t) transform_output(s, w, out, first + t, t, y);
    });
  }
  return {};
}

std::size_t winograd_scratch(const KernelQuery& q) noexcept {
  const Shape &w = q.input(1).shape, &out = q.out[0].shape;
  WinogradPlan plan = winograd_plan(out[0], out[2], out[3], w[1], w[0], q.threads);
  // Fewer tiles may divide into larger blocks.
  plan.block = plan.tiles < kMostTiles ? plan.tiles : kMostTiles;
  if (const std::int64_t most = q.threads * kTileBytes / (kPositions * 4 * (w[0] + w[1])); plan.block > most)
    plan.block = most > kLeastTiles ? most : (plan.block < kLeastTiles ? plan.block : kLeastTiles);
  const std::int64_t floats = round_up(w[1] + 64, 16) + round_up(plan.v_floats(), 16) + plan.y_floats();
  return static_cast<std::size_t>(floats) * sizeof(float);
}

std::size_t winograd_bytes(const KernelQuery& q) noexcept {
  const Shape& w = q.input(1).shape;
  return kPositions * packed_b_bytes(w[1], w[0], Vec::kWidth);
}

/// U = G g G^T in double, rounded once.
void pack_winograd(const KernelQuery& q, std::byte* packed) noexcept {
  float* to = reinterpret_cast<float*>(packed);
  constexpr double kG[6][3] = {{0.25, 0, 0},
                               {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                               {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                               {1.0 / 24, 1.0 / 12, 1.0 / 6},
                               {1.0 / 24, -1.0 / 12, 1.0 / 6},
                               {0, 0, 1}};
  const Shape& w = q.input(1).shape;
  const float* g = static_cast<const float*>(q.input(1).data);
  const std::int64_t filters = w[0], channels = w[1], padded = padded_columns(filters, Vec::kWidth),
                     total = padded / Vec::kWidth;
  const std::int64_t each = winograd_k_each(channels), matrix = channels * padded;
  for (std::int64_t k0 = 0; k0 < channels; k0 += each) {
    const std::int64_t kc = channels - k0 < each ? channels - k0 : each;
    for (std::int64_t v = 0; v < total;) {
      const int vecs = panel_vectors(v, total);
      const std::int64_t width = vecs * Vec::kWidth, n0 = v * Vec::kWidth;
      for (std::int64_t k = 0; k < kc; ++k)
        for (std::int64_t j = 0; j < width; ++j) {
          const std::int64_t at = packed_b_offset(k0, kc, n0, filters, Vec::kWidth) + k * width + j;
          const float* tap = n0 + j < filters ? g + ((n0 + j) * channels + k0 + k) * 9 : nullptr;
          double t[6][3];
          for (int a = 0; a < 6; ++a)
            for (int b = 0; b < 3; ++b) {
              t[a][b] = 0;
              if (tap != nullptr)
                for (int i = 0; i < 3; ++i) t[a][b] += kG[a][i] * static_cast<double>(tap[i * 3 + b]);
            }
          for (int a = 0; a < 6; ++a)
            for (int b = 0; b < 6; ++b)
              to[(a * 6 + b) * matrix + at] =
                  static_cast<float>(t[a][0] * kG[b][0] + t[a][1] * kG[b][1] + t[a][2] * kG[b][2]);
        }
      v += vecs;
    }
  }
}

Refusal accepts_winograd(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_common_refusal(q)) return r;
  if (!q.input(1).constant || q.input(1).dynamic) return "the weight is not constant";
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape& w = q.input(1).shape;
  if (p.spatial != 2 || w[2] != 3 || w[3] != 3) return "not a 3x3 kernel";
  if (p.stride[0] != 1 || p.stride[1] != 1 || p.dilation[0] != 1 || p.dilation[1] != 1)
    return "stride or dilation is not 1";
  if (p.group != 1) return "more than one group";
  if (w[1] < 8 || w[0] < 8) return "too few channels to repay the transforms";
  return nullptr;
}

// Transformed weights are rounded: there is no inverse.
constexpr Packing kWinogradPacking{.input = 1, .bytes = winograd_bytes, .pack = pack_winograd};

template <const GemmTable& kTable>
consteval Kernel conv_winograd_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "Conv",
          .needs = needs,
          .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .packings = &kWinogradPacking,
          .packing_count = 1,
          .accepts = accepts_winograd,
          .scratch_bytes = winograd_scratch,
          .run = [](const KernelContext& c) noexcept { return run_winograd(kTable, c); }};
}

}  // namespace
}  // namespace monza::ops
