// The integer product at the heart of QMatMul, MatMulInteger, QConv and ConvInteger.
//
// A row of the product is a list of taps, each a pointer to `depth` activation bytes: one tap for a matrix row or a
// 1x1 convolution, one a kernel element for a wider one (pixels outside of the image point to a row of zero points), so
// nothing is copied. Weights lie in panels of Q::kLanes columns, four bytes of depth together, signed (unsigned
// ones are shifted by 128 once, at build). Signed activations are shifted on load, which the panels' column sums undo.
// A tile of rows(panels) x panels accumulators stays in registers over all taps.
//
// Without VNNI a dot is a vpmaddubsw, which saturates, a vpmaddwd and an addition. Panels are split for it: pairs of
// weights whose products might exceed 16 bits give what is too much to a short list of further steps, so that sums stay
// exact. A further step costs its panel about what a step does. How many there are depends on the weights: their share
// of the time is 22 % in YOLOv8n (docs/measurements.md), and they double the work of weights that are all at one end.
//
// Floor: one dot a cycle and port, so 4 * kLanes multiply-adds (AVX2: three instructions on the three vector ports of
// Intel's cores, so one dot a cycle, twice what FMAs multiply); a tile of 6 x 4 issues 10 loads for 24 dots, which
// leaves the dots as the limit as long as the panels come from L1 or L2. Chunks of up to 96 rows pass over the same
// panels, so weights from L3 cost less than 2 bytes a cycle.
#pragma once

#include "kernel/kernel.h"
#include "ops/qmatmul/igemm_finish.simd.h"

namespace monza::ops {
namespace {

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
  igemm_split(k, packed);
}

/// The first 1 to 3 bytes of a quad.
MONZA_INLINE std::int32_t load_tail(const std::uint8_t* p, int bytes) {
  std::uint32_t v = p[0];
  if (bytes > 1) v |= static_cast<std::uint32_t>(p[1]) << 8;
  if (bytes > 2) v |= static_cast<std::uint32_t>(p[2]) << 16;
  return static_cast<std::int32_t>(v);
}
/// What the dots see of four activation bytes.
template <bool kFlip>
MONZA_INLINE Q::I igemm_broadcast(std::int32_t four) {
  const Q::I a = Q::set(four);
  return kFlip ? Q::exclusive_or(a, Q::set_bytes(0x80)) : a;
}

/// Adds to a tile's accumulators what its panels' rests hold. V is Q.
template <typename V, int kRows, int kPanels, bool kFlip>
MONZA_INLINE void igemm_add_rest(const std::uint8_t* const* rows, std::int64_t stride, const Igemm& job,
                                 std::int64_t slot, Q::I (&acc)[kRows][kPanels]) {
  const std::int64_t quads = job.pack.quads(), full = job.read_depth / 4;
  const int tail = static_cast<int>(job.read_depth % 4);
#pragma GCC unroll 4
  for (int j = 0; j < kPanels; ++j) {
    const PanelRest<const std::byte> rest =
        job.pack.rest(reinterpret_cast<const std::byte*>(job.weights), slot / Q::kLanes + j);
    const std::int64_t entries = job.pack.entries(rest);
    const std::uint8_t* const* tap = rows;
    std::int64_t first = 0, last_tap = job.pack.taps - 1;  // the first step of this tap; taps left
    for (std::int64_t i = 0; i < entries; ++i) {
      // Bounded, as the file may be damaged: then the sums are wrong, but nothing else is read.
      while (rest.step[i] - first >= quads && last_tap > 0) first += quads, tap += stride, --last_tap;
      const std::int64_t at = rest.step[i] - first, q = at < 0 ? 0 : at < quads ? at : quads - 1;
      const Q::I w = V::even_weights(rest.weights + i * Q::kLanes * 2);
      if (q < full) {
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r)
          acc[r][j] = Q::panel_dot(acc[r][j], igemm_broadcast<kFlip>(load_u32(tap[r] + q * 4)), w);
      } else {
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r)
          acc[r][j] = Q::panel_dot(acc[r][j], igemm_broadcast<kFlip>(load_tail(tap[r] + q * 4, tail)), w);
      }
    }
  }
}

/// Accumulators of kRows x kPanels panels from `slot` on into `acc` [kRows][kPanels * kLanes]. Row r of tap t starts at
/// rows[t * stride + r]; `sums` are the rows' where weights have zero points, else null.
template <int kRows, int kPanels, bool kFlip>
void igemm_tile(const std::uint8_t* const* rows, std::int64_t stride, const Igemm& job, const std::int8_t* w,
                std::int64_t slot, const std::int32_t* sums, std::int32_t* acc_out) {
  const std::int64_t panel = job.pack.panel_bytes(), quads = job.pack.quads(),
                     full = job.read_depth / 4 < quads ? job.read_depth / 4 : quads;
  const int tail = static_cast<int>(full < quads ? job.read_depth - full * 4 : 0);
  Q::I acc[kRows][kPanels];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < kPanels; ++j) acc[r][j] = Q::load(job.start + slot + j * Q::kLanes);
  if (sums != nullptr)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < kPanels; ++j)
        acc[r][j] = Q::sub(acc[r][j], Q::mul(Q::load(job.w_zero + slot + j * Q::kLanes), Q::set(sums[r])));
  const auto panel_at = [&](int j) __attribute__((always_inline)) {
    return Q::load(reinterpret_cast<const std::int32_t*>(w + j * panel));
  };
  const std::uint8_t* const* tap = rows;
  for (std::int64_t t = 0; t < job.pack.taps; ++t, tap += stride) {
    const std::uint8_t* p[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) p[r] = tap[r];
    for (std::int64_t q = 0; q < full; ++q, w += Q::kLanes * 4) {
      Q::I wv[kPanels];
#pragma GCC unroll 4
      for (int j = 0; j < kPanels; ++j) wv[j] = panel_at(j);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Q::I a = igemm_broadcast<kFlip>(load_u32(p[r] + q * 4));
#pragma GCC unroll 4
        for (int j = 0; j < kPanels; ++j) acc[r][j] = Q::panel_dot(acc[r][j], a, wv[j]);
      }
    }
    if (tail != 0) {
      Q::I wv[kPanels];
#pragma GCC unroll 4
      for (int j = 0; j < kPanels; ++j) wv[j] = panel_at(j);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Q::I a = igemm_broadcast<kFlip>(load_tail(p[r] + full * 4, tail));
#pragma GCC unroll 4
        for (int j = 0; j < kPanels; ++j) acc[r][j] = Q::panel_dot(acc[r][j], a, wv[j]);
      }
      w += Q::kLanes * 4;
    }
  }
  if constexpr (Q::kSplit) igemm_add_rest<Q, kRows, kPanels, kFlip>(rows, stride, job, slot, acc);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < kPanels; ++j) Q::store(acc_out + (r * kPanels + j) * Q::kLanes, acc[r][j]);
}

using IgemmTile = void (*)(const std::uint8_t* const*, std::int64_t, const Igemm&, const std::int8_t*, std::int64_t,
                           const std::int32_t*, std::int32_t*);

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

/// Adds `bytes` bytes from p on to the lanes of `sum`. Signed bytes are summed as such, so that the zeros behind the
/// last one count nothing; the caller adds 128 a byte.
template <bool kFlip>
MONZA_INLINE Q::I igemm_add_bytes(Q::I sum, const std::uint8_t* p, std::int64_t bytes) {
  constexpr std::int64_t kBytes = Q::kLanes * 4;
  for (std::int64_t d = 0; d < bytes; d += kBytes) {
    const Q::I v = Q::load_bytes(p + d, bytes - d);
    sum = kFlip ? Q::sum4_signed(sum, v) : Q::sum4(sum, v);
  }
  return sum;
}
/// The sum of `bytes` bytes from p on, as the unsigned values that the dots see.
template <bool kFlip>
MONZA_INLINE std::int32_t igemm_byte_sum(const std::uint8_t* p, std::int64_t bytes) {
  return Q::reduce(igemm_add_bytes<kFlip>(Q::zero(), p, bytes)) + (kFlip ? static_cast<std::int32_t>(bytes) * 128 : 0);
}

/// The sums of `count` rows over all their taps.
template <bool kFlip>
void igemm_row_sums(const Igemm& job, const std::uint8_t* const* rows, std::int64_t stride, std::int64_t count,
                    std::int32_t* sums) {
  const std::int64_t depth = job.pack.depth, taps = job.pack.taps;
  for (std::int64_t r = 0; r < count; ++r) {
    Q::I sum = Q::zero();
    for (std::int64_t t = 0; t < taps; ++t) sum = igemm_add_bytes<kFlip>(sum, rows[t * stride + r], depth);
    sums[r] = Q::reduce(sum) + (kFlip ? static_cast<std::int32_t>(depth * taps) * 128 : 0);
  }
}

inline constexpr std::int64_t kIgemmChunk = 96;       ///< most rows of a block: a multiple of every tile height
inline constexpr std::int64_t kIgemmPointers = 4096;  ///< most tap pointers of a block, on the stack

/// One block: `count` rows (at most kIgemmChunk) from output row `row`, panels [panel, end) of group g. `sums` holds
/// the rows' sums where job.row_sums asks for them.
inline __attribute__((noinline)) void igemm_block(const Igemm& job, const std::uint8_t* const* rows,
                                                  std::int64_t stride, std::int64_t row, std::int64_t count,
                                                  std::int64_t g, std::int64_t panel, std::int64_t end,
                                                  const std::int32_t* sums) {
  alignas(64) std::int32_t acc[kTileElements];
  for (std::int64_t from = panel, to; from < end; from = to) {
    // Tiles of all panels, which are stored best; a single one left over would waste loads, so it gets company.
    const std::int64_t left = end - from;
    to = from + (left <= Q::kPanels ? left : left == Q::kPanels + 1 && Q::kPanels > 2 ? Q::kPanels - 1 : Q::kPanels);
    const int panels = static_cast<int>(to - from), most = Q::rows(panels);
    const std::int64_t tiles = (count + most - 1) / most;
    const std::int8_t* w = job.weights + (g * job.pack.panels() + from) * job.pack.panel_bytes();
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      const std::int64_t r0 = count * tile / tiles;
      const int n = static_cast<int>(count * (tile + 1) / tiles - r0);
      (job.flip ? igemm_select<true>(panels, n) : igemm_select<false>(panels, n))(
          rows + r0, stride, job, w, (g * job.pack.panels() + from) * Q::kLanes, job.row_sums ? sums + r0 : nullptr,
          acc);
      igemm_finish(job, {acc, row + r0, g, from * Q::kLanes, n, panels});
    }
  }
}

/// Runs all rows: `point(rows, stride, group, first, count)` fills rows[t * stride + r] for `count` output rows from
/// `first` on. `sum(sums, rows, stride, group, first, count)` fills their sums; it is called where job.row_sums asks
/// for it.
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
  igemm_run(job, rows, parallel, point,
            [&](std::int32_t* sums, const std::uint8_t* const* p, std::int64_t stride, std::int64_t, std::int64_t,
                std::int64_t count) {
              if (job.flip) igemm_row_sums<true>(job, p, stride, count, sums);
              else igemm_row_sums<false>(job, p, stride, count, sums);
            });
}

}  // namespace
}  // namespace monza::ops
