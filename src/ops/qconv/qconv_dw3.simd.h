// Depthwise 3 x 3 windows with a horizontal stride of 1 or 2, 8-bit outputs.
//
// A window is three columns of three pixels. A column is interleaved once, so that a lane holds one channel's three
// bytes, and goes into as many outputs as windows reach it: with a stride of 1 that is three, whose accumulators stay
// in registers. Accumulators end in the order that packing to bytes undoes, so nothing else is shuffled.
//
// Per register of outputs (64 with AVX-512) at stride 1: 8 shuffles, 12 dots, 23 operations of the way out. Intel runs
// two of them a cycle, the shuffles on one port: 21 cycles. Stride 2 interleaves twice as much. Blocks of few channels
// take 2 or 4 output lines at once.
#pragma once

#include "ops/qconv/qconv_dw_pack.simd.h"

namespace monza::ops {
namespace {

/// What the outputs of one block of channels share.
struct Dw3Block {
  const std::int8_t* weights;
  std::int64_t n;         ///< channels
  std::int64_t channels;  ///< bytes from pixel to pixel, of the input
  std::int64_t width, out_width, pad, out_pitch;
  std::int32_t outside;  ///< four zero points
  QBytes to;
  alignas(64) std::int32_t start[4 * Q::kLanes];  // in the order of interleave
  alignas(64) float m[4 * Q::kLanes];
  alignas(64) float b[4 * Q::kLanes];
};

/// Four vectors of per-channel terms to the order of interleave; `pieces` copies of a block's channels.
template <typename T>
MONZA_INLINE void dw3_terms(const T* from, std::int64_t n, int pieces, T* to) {
  Q::I v[4];
  for (int k = 0; k < 4; ++k) {
    const int source = pieces == 4 ? 0 : pieces == 2 ? k % 2 : k;
    v[k] =
        source * Q::kLanes < n ? Q::load(reinterpret_cast<const std::int32_t*>(from + source * Q::kLanes)) : Q::zero();
  }
  Q::interleaved_order(v);
  for (int k = 0; k < 4; ++k) Q::store(reinterpret_cast<std::int32_t*>(to + k * Q::kLanes), v[k]);
}

/// One output line of a block, or kPieces of them. `in` are the pieces' lines under the window's first row, then the
/// second's and the third's; `out` their first outputs.
template <int kPieces, int kStride, bool kFlip, bool kWhole>
void dw3_line(const Dw3Block& k, const std::uint8_t* const* in, std::uint8_t* const* out) {
  Q::W w[3][4];
#pragma GCC unroll 3
  for (int x = 0; x < 3; ++x)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) w[x][i] = Q::weights(k.weights + (x * 4 + i) * Q::kLanes * 4);
  const auto column = [&](std::int64_t x, Q::A(&a)[4]) __attribute__((always_inline)) {
    if (static_cast<std::uint64_t>(x) >= static_cast<std::uint64_t>(k.width)) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) a[i] = Q::broadcast(k.outside);
    } else {
      Q::I rows[4], lanes[4];
#pragma GCC unroll 3
      for (int y = 0; y < 3; ++y) rows[y] = Q::load_pieces<kPieces, kWhole>(in + y * kPieces, x * k.channels, k.n);
      rows[3] = rows[2];  // its weight is 0
      Q::interleave(rows, lanes);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) a[i] = Q::activations(lanes[i]);
    }
    if constexpr (kFlip)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) a[i] = Q::flip(a[i]);
  };
  const auto emit = [&](const Q::I(&acc)[4], std::int64_t x) __attribute__((always_inline)) {
    Q::F v[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
      v[i] = Q::fma(Q::to_f32(acc[i]), Q::load(k.m + i * Q::kLanes), Q::load(k.b + i * Q::kLanes));
    const Q::I bytes = q_pack(k.to, v);
    const std::int64_t at = x * k.out_pitch;
    if constexpr (kPieces == 1) {
      Q::store_quarters<0, 4>(out[0] + at, bytes, kWhole ? kDwBlock : k.n);
    } else if constexpr (kPieces == 2) {
      const std::int64_t n = kWhole ? kDwBlock / 2 : k.n;
      Q::store_quarters<0, 2>(out[0] + at, bytes, n);
      Q::store_quarters<2, 2>(out[1] + at, bytes, n);
    } else {
      const std::int64_t n = kWhole ? kDwBlock / 4 : k.n;
      Q::store_quarters<0, 1>(out[0] + at, bytes, n);
      Q::store_quarters<1, 1>(out[1] + at, bytes, n);
      Q::store_quarters<2, 1>(out[2] + at, bytes, n);
      Q::store_quarters<3, 1>(out[3] + at, bytes, n);
    }
  };
  Q::A a[4];
  if constexpr (kStride == 1) {
    Q::I acc[3][4];
    // Column j ends output j - 2 and begins output j.
    const auto step = [&](std::int64_t j, Q::I(&ends)[4], Q::I(&goes_on)[4], Q::I(&begins)[4])
                          __attribute__((always_inline)) {
                            column(j - k.pad, a);
#pragma GCC unroll 4
                            for (int i = 0; i < 4; ++i) {
                              begins[i] = Q::dot(Q::load(k.start + i * Q::kLanes), a[i], w[0][i]);
                              goes_on[i] = Q::dot(goes_on[i], a[i], w[1][i]);
                              ends[i] = Q::dot(ends[i], a[i], w[2][i]);
                            }
                            if (j >= 2) emit(ends, j - 2);
                          };
#pragma GCC unroll 3
    for (int x = 0; x < 3; ++x)
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) acc[x][i] = Q::zero();
    const std::int64_t columns = k.out_width + 2;
    for (std::int64_t j = 0; j < columns; j += 3) {
      step(j, acc[0], acc[1], acc[2]);
      if (j + 1 < columns) step(j + 1, acc[1], acc[2], acc[0]);
      if (j + 2 < columns) step(j + 2, acc[2], acc[0], acc[1]);
    }
  } else {
    Q::I acc[4], ends[4];
    column(-k.pad, a);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) acc[i] = Q::dot(Q::load(k.start + i * Q::kLanes), a[i], w[0][i]);
    for (std::int64_t x = 0; x < k.out_width; ++x) {
      column(2 * x + 1 - k.pad, a);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) acc[i] = Q::dot(acc[i], a[i], w[1][i]);
      column(2 * x + 2 - k.pad, a);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        ends[i] = Q::dot(acc[i], a[i], w[2][i]);
        acc[i] = Q::dot(Q::load(k.start + i * Q::kLanes), a[i], w[0][i]);
      }
      emit(ends, x);
    }
  }
}

using Dw3Line = void (*)(const Dw3Block&, const std::uint8_t* const*, std::uint8_t* const*);

template <int kPieces, int kStride, bool kFlip>
MONZA_INLINE Dw3Line dw3_select(std::int64_t n) {
  return n == kDwBlock / kPieces ? dw3_line<kPieces, kStride, kFlip, true> : dw3_line<kPieces, kStride, kFlip, false>;
}
template <int kPieces>
MONZA_INLINE Dw3Line dw3_select(std::int64_t stride, bool flip, std::int64_t n) {
  if (stride == 1) return flip ? dw3_select<kPieces, 1, true>(n) : dw3_select<kPieces, 1, false>(n);
  return flip ? dw3_select<kPieces, 2, true>(n) : dw3_select<kPieces, 2, false>(n);
}

/// True where dw3_run does this convolution's work; the packing is as it wants it.
MONZA_INLINE bool dw3_takes(const Igemm& job, const ConvGeometry& g, std::int64_t channels, std::int64_t pitch) {
  return g.kh == 3 && g.kw == 3 && g.dilation_h == 1 && g.dilation_w == 1 && g.stride_w <= 2 &&
         job.mode == IgemmOut::q8 && only_bounds(job.act) && !job.has_mid && job.residual == nullptr && !job.row_sums &&
         pitch == channels;
}

/// `zeros`: a line of zero points, g.width * channels bytes.
inline __attribute__((noinline)) void dw3_run(const Igemm& job, const DwPack& k, const ConvGeometry& g,
                                              const std::uint8_t* x, const std::uint8_t* zeros, std::uint8_t zero,
                                              Parallel& parallel) {
  constexpr std::int64_t kGroup = 4;  // output lines that pass over a block's terms together
  const std::int64_t lines = g.batch * g.out_h, groups = (lines + kGroup - 1) / kGroup,
                     line_bytes = g.width * k.channels;
  const std::int64_t threads = parallel.threads(), want = threads == 1 ? 1 : threads * 4;
  const std::int64_t tasks = groups < want ? groups : want;
  std::int64_t splits = (want + tasks - 1) / tasks;
  if (splits > k.blocks()) splits = k.blocks();
  parallel_for(parallel, tasks * splits, [&](std::int64_t task, int) {
    const std::int64_t split = task % splits, part = task / splits;
    Dw3Block block;
    block.channels = k.channels;
    block.width = g.width;
    block.out_width = g.out_w;
    block.pad = g.pad_w;
    block.out_pitch = job.out_pitch;
    block.outside = static_cast<std::int32_t>(zero * 0x01010101u);
    block.to = q_bytes(job.q, job.out_signed);
    for (std::int64_t group = groups * part / tasks; group < groups * (part + 1) / tasks; ++group) {
      const std::int64_t last = lines < (group + 1) * kGroup ? lines : (group + 1) * kGroup;
      for (std::int64_t i = k.blocks() * split / splits; i < k.blocks() * (split + 1) / splits; ++i) {
        const std::int64_t channel = i * kDwBlock;
        const int pieces = k.pieces(i);
        block.n = k.width(i);
        block.weights = job.weights + i * k.block_bytes();
        dw3_terms(job.start + channel, block.n, pieces, block.start);
        dw3_terms(job.m + channel, block.n, pieces, block.m);
        dw3_terms(job.b + channel, block.n, pieces, block.b);
        Dw3Line run = dw3_select<1>(g.stride_w, job.flip, block.n);
        if (pieces == 2) run = dw3_select<2>(g.stride_w, job.flip, block.n);
        if constexpr (Q::kMostPieces == 4) {
          if (pieces == 4) run = dw3_select<4>(g.stride_w, job.flip, block.n);
        }
        for (std::int64_t line = group * kGroup; line < last; line += pieces) {
          const std::uint8_t* in[3 * 4];
          std::uint8_t* out[4];
          for (int p = 0; p < pieces; ++p) {
            const std::int64_t at = line + p < last ? line + p : last - 1;  // one line twice rather than none
            const std::int64_t n = at / g.out_h, y = at % g.out_h * g.stride_h - g.pad_h;
            for (int r = 0; r < 3; ++r) {
              const bool inside = y + r >= 0 && y + r < g.height;
              in[r * pieces + p] = (inside ? x + (n * g.height + y + r) * line_bytes : zeros) + channel;
            }
            out[p] = reinterpret_cast<std::uint8_t*>(job.out) + at * g.out_w * job.out_pitch + channel;
          }
          run(block, in, out);
        }
      }
    }
  });
}

}  // namespace
}  // namespace monza::ops
