// The integer product at the heart of QMatMul, MatMulInteger, QConv and ConvInteger.
//
// A row of the product is a list of taps, each a pointer to `depth` activation bytes: one tap for a matrix row or a
// 1x1 convolution, one a kernel element for a wider one (pixels outside of the image point to a row of zero points), so
// nothing is copied. Weights lie in panels of Q::kLanes columns, four bytes of depth together, signed (unsigned
// ones are shifted by 128 once, at build). Signed activations are shifted on load, which the panels' column sums undo.
// A tile of rows(panels) x panels accumulators stays in registers over all taps.
//
// Floor: one dot a cycle and port, so 4 * kLanes multiply-adds; a tile of 6 x 4 issues 10 loads for 24 dots, which
// leaves the dots as the limit as long as the panels come from L1 or L2. Chunks of up to 96 rows pass over the same
// panels, so weights from L3 cost less than 2 bytes a cycle.
#pragma once

#include "kernel/kernel.h"
#include "ops/activation/activation.simd.h"
#include "ops/qmatmul/operands.params.h"
#include "ops/qmatmul/vnni.simd.h"

namespace monza::ops {
namespace {

/// Packed weights: per group the panels, then the column sums of every group (i32).
struct IgemmPack {
  std::int64_t groups = 1, columns = 0, taps = 1, depth = 0;  ///< columns of a group; depth in bytes of a tap
  MONZA_INLINE std::int64_t panels() const { return (columns + Q::kLanes - 1) / Q::kLanes; }
  MONZA_INLINE std::int64_t quads() const { return (depth + 3) / 4; }
  MONZA_INLINE std::int64_t panel_bytes() const { return taps * quads() * Q::kLanes * 4; }
  MONZA_INLINE std::int64_t slots() const { return groups * panels() * Q::kLanes; }  ///< columns with their padding
  MONZA_INLINE std::int64_t sums_at() const { return groups * panels() * panel_bytes(); }
  MONZA_INLINE std::int64_t bytes() const { return sums_at() + slots() * 4; }
  MONZA_INLINE std::int64_t at(std::int64_t g, std::int64_t n, std::int64_t tap, std::int64_t d) const {
    return (g * panels() + n / Q::kLanes) * panel_bytes() + ((tap * quads() + d / 4) * Q::kLanes + n % Q::kLanes) * 4 + d % 4;
  }
};

/// `source(group, column, tap, d)` gives an offset in the dense weights.
template <typename Source>
void igemm_pack(const IgemmPack& k, const std::uint8_t* dense, bool is_unsigned, std::byte* packed, Source source) {
  auto* out = reinterpret_cast<std::uint8_t*>(packed);
  auto* sums = reinterpret_cast<std::int32_t*>(packed + k.sums_at());
  __builtin_memset(packed, 0, static_cast<std::size_t>(k.bytes()));
  const std::uint8_t flip = is_unsigned ? 0x80 : 0;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < k.columns; ++n) {
      std::int32_t sum = 0;
      for (std::int64_t t = 0; t < k.taps; ++t)
        for (std::int64_t d = 0; d < k.depth; ++d) {
          const std::uint8_t value = dense[source(g, n, t, d)] ^ flip;
          out[k.at(g, n, t, d)] = value;
          sum += static_cast<std::int8_t>(value);
        }
      sums[g * k.panels() * Q::kLanes + n] = sum;
    }
}

template <typename Source>
void igemm_unpack(const IgemmPack& k, const std::byte* packed, bool is_unsigned, std::uint8_t* dense, Source source) {
  const auto* in = reinterpret_cast<const std::uint8_t*>(packed);
  const std::uint8_t flip = is_unsigned ? 0x80 : 0;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < k.columns; ++n)
      for (std::int64_t t = 0; t < k.taps; ++t)
        for (std::int64_t d = 0; d < k.depth; ++d) dense[source(g, n, t, d)] = in[k.at(g, n, t, d)] ^ flip;
}

enum class IgemmOut { i32, f32, q8 };

/// One product, ready to run: what its blocks of rows share.
struct Igemm {
  IgemmPack pack;
  const std::int8_t* weights = nullptr;
  const std::int32_t* sums = nullptr;  ///< of the weights, per slot
  bool flip = false;          ///< signed activations
  std::int64_t read_depth = 0;  ///< bytes of a tap that may be read; at least pack.depth
  // Per slot, in scratch: what the accumulator ends with, and the factors of the way out.
  std::int32_t* start = nullptr;
  std::int32_t* w_zero = nullptr;
  float* m = nullptr;
  float* b = nullptr;
  bool row_sums = false;  ///< some w_zero is not 0, so rows need their sums
  IgemmOut mode = IgemmOut::i32;
  Requantize q;
  bool has_mid = false;
  Activation act;
  bool residual_after = false;
  std::byte* out = nullptr;
  std::int64_t out_pitch = 0;  ///< elements from row to row
  const std::byte* residual = nullptr;
  std::int64_t residual_pitch = 0;
  bool residual_signed = false;
};

MONZA_INLINE std::size_t igemm_scratch(const IgemmPack& k) { return static_cast<std::size_t>(k.slots()) * 16; }

/// Points to packed weights that igemm_pack made.
MONZA_INLINE void igemm_bind(Igemm& job, const IgemmPack& pack, const void* packed) {
  job.pack = pack;
  job.weights = static_cast<const std::int8_t*>(packed);
  job.sums = reinterpret_cast<const std::int32_t*>(job.weights + pack.sums_at());
}

/// Computes the per-column terms. `x_zero` and `w_zero` are positions in `o` of the zero points; `units` says that
/// scales and bias are there too (QInput's positions).
inline __attribute__((noinline)) void igemm_prepare(Igemm& job, const QOperands& o, int x_zero, int w_zero, bool w_unsigned, bool units,
                                                    std::byte* scratch) {
  const IgemmPack& k = job.pack;
  const std::int64_t slots = k.slots(), padded = k.panels() * Q::kLanes;
  job.start = reinterpret_cast<std::int32_t*>(scratch);
  job.w_zero = job.start + slots;
  job.m = reinterpret_cast<float*>(job.w_zero + slots);
  job.b = job.m + slots;
  const auto xz = static_cast<std::uint32_t>(o.zero(x_zero, 0) + (job.flip ? 128 : 0));
  const std::int32_t shift = w_unsigned ? 128 : 0;
  const auto elements = static_cast<std::uint32_t>(k.taps * k.depth);
  std::uint32_t any = 0;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < padded; ++n) {
      const std::int64_t s = g * padded + n, channel = g * k.columns + (n < k.columns ? n : 0);
      const auto wz = static_cast<std::uint32_t>(o.zero(w_zero, channel) - shift);
      const std::uint32_t bias = units ? static_cast<std::uint32_t>(o.bias_i32(channel)) : 0;
      any |= wz;
      job.w_zero[s] = static_cast<std::int32_t>(wz);
      job.start[s] = static_cast<std::int32_t>(bias - xz * static_cast<std::uint32_t>(job.sums[s]) + elements * xz * wz);
    }
  job.row_sums = any != 0;
  if (!units) return;
  const float first = job.mode == IgemmOut::q8 ? job.q.first : 1.0F;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < padded; ++n) {
      const std::int64_t channel = g * k.columns + (n < k.columns ? n : 0);
      job.m[g * padded + n] = o.unit(channel) / first;
      job.b[g * padded + n] = o.bias_f32(channel) / first;
    }
}

/// Accumulators of kRows x kPanels panels into `acc` [kRows][kPanels * kLanes]. Row r of tap t starts at rows[t * stride + r].
template <int kRows, int kPanels, bool kFlip>
void igemm_tile(const std::uint8_t* const* rows, std::int64_t stride, const Igemm& job, const std::int8_t* w, std::int32_t* acc_out) {
  const std::int64_t panel = job.pack.panel_bytes(), quads = job.pack.quads(), full = job.read_depth / 4 < quads ? job.read_depth / 4 : quads;
  const int tail = static_cast<int>(full < quads ? job.read_depth - full * 4 : 0);
  Q::I acc[kRows][kPanels];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < kPanels; ++j) acc[r][j] = Q::zero();
  for (std::int64_t t = 0; t < job.pack.taps; ++t, rows += stride) {
    const std::uint8_t* p[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) p[r] = rows[r];
    for (std::int64_t q = 0; q < full; ++q, w += Q::kLanes * 4) {
      Q::W wv[kPanels];
#pragma GCC unroll 4
      for (int j = 0; j < kPanels; ++j) wv[j] = Q::weights(w + j * panel);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        Q::A a = Q::broadcast(load_u32(p[r] + q * 4));
        if constexpr (kFlip) a = Q::flip(a);
#pragma GCC unroll 4
        for (int j = 0; j < kPanels; ++j) acc[r][j] = Q::dot(acc[r][j], a, wv[j]);
      }
    }
    if (tail != 0) {
      Q::W wv[kPanels];
#pragma GCC unroll 4
      for (int j = 0; j < kPanels; ++j) wv[j] = Q::weights(w + j * panel);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const std::uint8_t* e = p[r] + full * 4;
        std::uint32_t bytes = e[0];
        if (tail > 1) bytes |= static_cast<std::uint32_t>(e[1]) << 8;
        if (tail > 2) bytes |= static_cast<std::uint32_t>(e[2]) << 16;
        Q::A a = Q::broadcast(static_cast<std::int32_t>(bytes));
        if constexpr (kFlip) a = Q::flip(a);
#pragma GCC unroll 4
        for (int j = 0; j < kPanels; ++j) acc[r][j] = Q::dot(acc[r][j], a, wv[j]);
      }
      w += Q::kLanes * 4;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < kPanels; ++j) Q::store(acc_out + (r * kPanels + j) * Q::kLanes, acc[r][j]);
}

using IgemmTile = void (*)(const std::uint8_t* const*, std::int64_t, const Igemm&, const std::int8_t*, std::int32_t*);

template <bool kFlip, int kPanels, int kRows>
IgemmTile igemm_tile_of(int rows) {
  if (rows == kRows) return igemm_tile<kRows, kPanels, kFlip>;
  if constexpr (kRows > 1) return igemm_tile_of<kFlip, kPanels, kRows - 1>(rows);
  return nullptr;
}
template <bool kFlip>
IgemmTile igemm_select(int panels, int rows) {
  if (panels == 1) return igemm_tile_of<kFlip, 1, Q::rows(1)>(rows);
  if (panels == 2) return igemm_tile_of<kFlip, 2, Q::rows(2)>(rows);
  if constexpr (Q::kPanels > 2) {
    if (panels == 3) return igemm_tile_of<kFlip, 3, Q::rows(3)>(rows);
    return igemm_tile_of<kFlip, 4, Q::rows(4)>(rows);
  }
  return nullptr;
}

/// Accumulators to outputs: `rows` rows from output row `row` on, columns [column, column + panels * kLanes) of group g.
template <IgemmOut kMode>
inline __attribute__((noinline)) void igemm_finish(const Igemm& job, const std::int32_t* acc, std::int64_t row, int rows, std::int64_t g,
                                                   std::int64_t column, int panels, const std::int32_t* sums) {
  const std::int64_t slot0 = g * job.pack.panels() * Q::kLanes + column, channel0 = g * job.pack.columns + column;
  const Requantize& q = job.q;
  const Q::F low = Q::set(q.low), high = Q::set(q.high), mid_low = Q::set(q.mid_low), mid_high = Q::set(q.mid_high);
  const Q::F first_over_y = Q::set(q.first_over_y), r_over_y = Q::set(q.r_over_y);
  const Q::I y_zero = Q::set(q.y_zero), r_zero = Q::set(q.r_zero);
  const bool mid = job.has_mid, residual = job.residual != nullptr;
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < panels; ++j) {
      const std::int64_t left = job.pack.columns - column - j * Q::kLanes, slot = slot0 + j * Q::kLanes;
      const Q::Mask mask = Q::mask(left);
      const std::int64_t at = (row + r) * job.out_pitch + channel0 + j * Q::kLanes;
      Q::I a = Q::add(Q::load(acc + (r * panels + j) * Q::kLanes), Q::load(job.start + slot));
      if (job.row_sums) a = Q::sub(a, Q::mul(Q::load(job.w_zero + slot), Q::set(sums[r])));
      if constexpr (kMode == IgemmOut::i32) {
        Q::store_i32(reinterpret_cast<std::int32_t*>(job.out) + at, a, mask);
      } else {
        Q::F v = Q::fma(Q::to_f32(a), Q::load(job.m + slot), Q::load(job.b + slot));
        const std::int64_t r_at = (row + r) * job.residual_pitch + channel0 + j * Q::kLanes;
        if constexpr (kMode == IgemmOut::f32) {
          if (residual && !job.residual_after) v = Q::add(v, Q::load_f32(reinterpret_cast<const float*>(job.residual) + r_at, mask));
          Q::store_f32(reinterpret_cast<float*>(job.out) + at, v, mask);
        } else {
          if (mid) v = Q::rint(Q::clamp(v, mid_low, mid_high));
          if (residual) {
            const auto* p = reinterpret_cast<const std::uint8_t*>(job.residual) + r_at;
            const Q::I value = job.residual_signed ? Q::load_i8(p, mask) : Q::load_u8(p, mask);
            v = Q::fma(Q::to_f32(Q::sub(value, r_zero)), r_over_y, Q::mul(v, first_over_y));
          } else if (mid) {
            v = Q::mul(v, first_over_y);
          }
          const Q::I y = Q::add(Q::to_i32(Q::clamp(v, low, high)), y_zero);
          Q::store_u8(reinterpret_cast<std::uint8_t*>(job.out) + at, y, mask);
        }
      }
    }
}

/// The activation (and a residual after it) of f32 outputs that igemm_finish has just written.
inline __attribute__((noinline)) void igemm_activate(const Igemm& job, std::int64_t row, int rows, std::int64_t channel, std::int64_t count) {
  with_activation(job.act, [&](auto act) {
    for (int r = 0; r < rows; ++r) {
      float* y = reinterpret_cast<float*>(job.out) + (row + r) * job.out_pitch + channel;
      const float* add = job.residual_after && job.residual != nullptr
                             ? reinterpret_cast<const float*>(job.residual) + (row + r) * job.residual_pitch + channel : nullptr;
      for (std::int64_t i = 0; i < count; i += Vec::kWidth) {
        const auto mask = Vec::mask(count - i < Vec::kWidth ? count - i : Vec::kWidth);
        Vec v = act(Vec::load(y + i, mask), Vec::zero());
        if (add != nullptr) v = v + Vec::load(add + i, mask);
        v.store(y + i, mask);
      }
    }
  });
}

/// The sum of `bytes` bytes from p on, as the unsigned values that the dots see.
template <bool kFlip>
MONZA_INLINE std::int32_t igemm_byte_sum(const std::uint8_t* p, std::int64_t bytes) {
  constexpr std::int64_t kBytes = Q::kLanes * 4;
  Q::I sum = Q::zero();
  // Signed bytes are summed as such, so that the zeros behind the last one count nothing.
  for (std::int64_t d = 0; d < bytes; d += kBytes) {
    const Q::I v = Q::load_bytes(p + d, bytes - d);
    sum = kFlip ? Q::sum4_signed(sum, v) : Q::sum4(sum, v);
  }
  return Q::reduce(sum) + (kFlip ? static_cast<std::int32_t>(bytes) * 128 : 0);
}

/// The sums of `count` rows over all their taps.
inline __attribute__((noinline)) void igemm_row_sums(const Igemm& job, const std::uint8_t* const* rows, std::int64_t stride, std::int64_t count,
                                                     std::int32_t* sums) {
  const std::int64_t depth = job.pack.depth;
  for (std::int64_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    for (std::int64_t t = 0; t < job.pack.taps; ++t)
      sum += job.flip ? igemm_byte_sum<true>(rows[t * stride + r], depth) : igemm_byte_sum<false>(rows[t * stride + r], depth);
    sums[r] = sum;
  }
}

inline constexpr std::int64_t kIgemmChunk = 96;      ///< most rows of a block: a multiple of every tile height
inline constexpr std::int64_t kIgemmPointers = 4096; ///< most tap pointers of a block, on the stack

/// One block: `count` rows (at most kIgemmChunk) from output row `row`, panels [panel, end) of group g. `sums` holds the
/// rows' sums where job.row_sums asks for them.
inline __attribute__((noinline)) void igemm_block(const Igemm& job, const std::uint8_t* const* rows, std::int64_t stride, std::int64_t row,
                                                  std::int64_t count, std::int64_t g, std::int64_t panel, std::int64_t end,
                                                  const std::int32_t* sums) {
  alignas(64) std::int32_t acc[24 * Q::kLanes];
  const std::int64_t blocks = (end - panel + Q::kPanels - 1) / Q::kPanels;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t from = panel + (end - panel) * i / blocks, to = panel + (end - panel) * (i + 1) / blocks;
    const int panels = static_cast<int>(to - from), most = Q::rows(panels);
    const std::int64_t tiles = (count + most - 1) / most;
    const std::int8_t* w = job.weights + (g * job.pack.panels() + from) * job.pack.panel_bytes();
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      const std::int64_t r0 = count * tile / tiles;
      const int n = static_cast<int>(count * (tile + 1) / tiles - r0);
      (job.flip ? igemm_select<true>(panels, n) : igemm_select<false>(panels, n))(rows + r0, stride, job, w, acc);
      const std::int64_t column = from * Q::kLanes;
      switch (job.mode) {
        case IgemmOut::i32: igemm_finish<IgemmOut::i32>(job, acc, row + r0, n, g, column, panels, sums + r0); break;
        case IgemmOut::q8: igemm_finish<IgemmOut::q8>(job, acc, row + r0, n, g, column, panels, sums + r0); break;
        case IgemmOut::f32: {
          igemm_finish<IgemmOut::f32>(job, acc, row + r0, n, g, column, panels, sums + r0);
          if (job.act.kind == ActivationKind::none && !(job.residual_after && job.residual != nullptr)) break;
          const std::int64_t width = panels * Q::kLanes, left = job.pack.columns - column;
          igemm_activate(job, row + r0, n, g * job.pack.columns + column, width < left ? width : left);
        }
      }
    }
  }
}

/// Runs all rows: `point(rows, stride, group, first, count)` fills rows[t * stride + r] for `count` output rows from `first`
/// on. `sum(sums, rows, stride, group, first, count)` fills their sums; it is called where job.row_sums asks for it.
template <typename Point, typename Sum>
MONZA_INLINE void igemm_run(const Igemm& job, std::int64_t rows, Parallel& parallel, Point point, Sum sum) {
  if (rows == 0 || job.pack.columns == 0) return;
  std::int64_t most = kIgemmPointers / job.pack.taps;
  if (most > kIgemmChunk) most = kIgemmChunk;
  const std::int64_t chunks = (rows + most - 1) / most, panels = job.pack.panels(), groups = job.pack.groups;
  // Enough blocks for the threads; a block has no fewer panels than a tile takes.
  const std::int64_t threads = parallel.threads(), want = threads == 1 ? 1 : threads * 4, have = chunks * groups;
  std::int64_t splits = have >= want ? 1 : (want + have - 1) / have;
  const std::int64_t limit = (panels + Q::kPanels - 1) / Q::kPanels;
  if (splits > limit) splits = limit;
  parallel_for(parallel, chunks * groups * splits, [&](std::int64_t task, int) {
    const std::int64_t split = task % splits, g = task / splits % groups, chunk = task / splits / groups;
    const std::int64_t first = rows * chunk / chunks, count = rows * (chunk + 1) / chunks - first;
    const std::uint8_t* pointers[kIgemmPointers];
    const std::int64_t stride = most;
    point(pointers, stride, g, first, count);
    std::int32_t sums[kIgemmChunk];
    if (job.row_sums) sum(sums, pointers, stride, g, first, count);
    igemm_block(job, pointers, stride, first, count, g, panels * split / splits, panels * (split + 1) / splits, sums);
  });
}

/// The same with sums read from the rows.
template <typename Point>
MONZA_INLINE void igemm_run(const Igemm& job, std::int64_t rows, Parallel& parallel, Point point) {
  igemm_run(job, rows, parallel, point, [&](std::int32_t* sums, const std::uint8_t* const* p, std::int64_t stride, std::int64_t, std::int64_t, std::int64_t count) {
    igemm_row_sums(job, p, stride, count, sums);
  });
}

}  // namespace
}  // namespace monza::ops
