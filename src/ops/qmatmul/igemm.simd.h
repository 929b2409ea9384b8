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
    return (g * panels() + n / Q::kLanes) * panel_bytes() + ((tap * quads() + d / 4) * Q::kLanes + n % Q::kLanes) * 4 +
           d % 4;
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
  bool flip = false;                   ///< signed activations
  std::int64_t read_depth = 0;         ///< bytes of a tap that may be read; at least pack.depth
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
inline __attribute__((noinline)) void igemm_prepare(Igemm& job, const QOperands& o, int x_zero, int w_zero,
                                                    bool w_unsigned, bool units, std::byte* scratch) {
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
      job.start[s] =
          static_cast<std::int32_t>(bias - xz * static_cast<std::uint32_t>(job.sums[s]) + elements * xz * wz);
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

/// Accumulators of kRows x kPanels panels into `acc` [kRows][kPanels * kLanes]. Row r of tap t starts at rows[t *
/// stride + r].
template <int kRows, int kPanels, bool kFlip>
void igemm_tile(const std::uint8_t* const* rows, std::int64_t stride, const Igemm& job, const std::int8_t* w,
                std::int32_t* acc_out) {
  const std::int64_t panel = job.pack.panel_bytes(), quads = job.pack.quads(),
                     full = job.read_depth / 4 < quads ? job.read_depth / 4 : quads;
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

/// Where a tile's outputs go, and what its rows add.
struct IgemmTileOut {
  const std::int32_t* acc;  ///< [rows][panels * kLanes]
  std::int64_t row, g, column;
  int rows, panels;
  const std::int32_t* sums;  ///< of the rows, where job.row_sums
};

/// The exact accumulators of panel j of row r.
MONZA_INLINE Q::I igemm_total(const Igemm& job, const IgemmTileOut& t, int r, int j, Q::I start, Q::I w_zero) {
  const Q::I a = Q::add(Q::load(t.acc + (r * t.panels + j) * Q::kLanes), start);
  return job.row_sums ? Q::sub(a, Q::mul(w_zero, Q::set(t.sums[r]))) : a;
}

inline __attribute__((noinline)) void igemm_finish_i32(const Igemm& job, const IgemmTileOut& t) {
  const std::int64_t slot0 = t.g * job.pack.panels() * Q::kLanes + t.column,
                     channel = t.g * job.pack.columns + t.column;
  for (int j = 0; j < t.panels; ++j) {
    const std::int64_t slot = slot0 + j * Q::kLanes;
    const Q::Mask mask = Q::mask(job.pack.columns - t.column - j * Q::kLanes);
    const Q::I start = Q::load(job.start + slot), w_zero = Q::load(job.w_zero + slot);
    std::int32_t* y = reinterpret_cast<std::int32_t*>(job.out) + t.row * job.out_pitch + channel + j * Q::kLanes;
    for (int r = 0; r < t.rows; ++r)
      Q::store_i32(y + r * job.out_pitch, igemm_total(job, t, r, j, start, w_zero), mask);
  }
}

inline __attribute__((noinline)) void igemm_finish_f32(const Igemm& job, const IgemmTileOut& t) {
  const std::int64_t slot0 = t.g * job.pack.panels() * Q::kLanes + t.column,
                     channel = t.g * job.pack.columns + t.column;
  const auto* residual = reinterpret_cast<const float*>(job.residual);
  with_activation(job.act, [&](auto act) __attribute__((always_inline)) {
    for (int j = 0; j < t.panels; ++j) {
      const std::int64_t slot = slot0 + j * Q::kLanes;
      const Q::Mask mask = Q::mask(job.pack.columns - t.column - j * Q::kLanes);
      const Q::I start = Q::load(job.start + slot), w_zero = Q::load(job.w_zero + slot);
      const Q::F m = Q::load(job.m + slot), b = Q::load(job.b + slot);
      float* y = reinterpret_cast<float*>(job.out) + t.row * job.out_pitch + channel + j * Q::kLanes;
      const float* add =
          residual == nullptr ? nullptr : residual + t.row * job.residual_pitch + channel + j * Q::kLanes;
      for (int r = 0; r < t.rows; ++r) {
        Q::F v = Q::fma(Q::to_f32(igemm_total(job, t, r, j, start, w_zero)), m, b);
        if (add != nullptr && !job.residual_after) v = Q::add(v, Q::load_f32(add + r * job.residual_pitch, mask));
        v = act(Vec{v}, Vec::zero()).v;
        if (add != nullptr && job.residual_after) v = Q::add(v, Q::load_f32(add + r * job.residual_pitch, mask));
        Q::store_f32(y + r * job.out_pitch, v, mask);
      }
    }
  });
}

/// One vector of quantised outputs, as 32-bit lanes; `r_at` is the residual's address.
template <bool kPlain>
MONZA_INLINE Q::I igemm_requantize(const Igemm& job, Q::I total, Q::F m, Q::F b, const std::uint8_t* r_at,
                                   Q::Mask mask) {
  const Requantize& q = job.q;
  Q::F v = Q::fma(Q::to_f32(total), m, b);
  if constexpr (!kPlain) {
    if (job.has_mid) v = Q::rint(Q::clamp(v, Q::set(q.mid_low), Q::set(q.mid_high)));
    if (job.residual != nullptr) {
      const Q::I value = job.residual_signed ? Q::load_i8(r_at, mask) : Q::load_u8(r_at, mask);
      v = Q::fma(Q::to_f32(Q::sub(value, Q::set(q.r_zero))), Q::set(q.r_over_y), Q::mul(v, Q::set(q.first_over_y)));
    } else if (job.has_mid) {
      v = Q::mul(v, Q::set(q.first_over_y));
    }
  }
  return Q::add(Q::to_i32(Q::clamp(v, Q::set(q.low), Q::set(q.high))), Q::set(q.y_zero));
}

/// kPlain: neither inner quantisation nor residual.
template <bool kPlain>
inline __attribute__((noinline)) void igemm_finish_q8(const Igemm& job, const IgemmTileOut& t) {
  const std::int64_t slot0 = t.g * job.pack.panels() * Q::kLanes + t.column,
                     channel = t.g * job.pack.columns + t.column;
  auto* out = reinterpret_cast<std::uint8_t*>(job.out) + t.row * job.out_pitch + channel;
  const auto* residual = reinterpret_cast<const std::uint8_t*>(job.residual);
  const std::uint8_t* add = residual == nullptr ? nullptr : residual + t.row * job.residual_pitch + channel;
  const std::int64_t r_pitch = residual == nullptr ? 0 : job.residual_pitch;
  int j = 0;
  // Four whole panels are packed and stored together.
  if (t.panels == 4 && job.pack.columns - t.column >= 4 * Q::kLanes) {
    Q::I start[4], w_zero[4];
    Q::F m[4], b[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      start[k] = Q::load(job.start + slot0 + k * Q::kLanes);
      w_zero[k] = Q::load(job.w_zero + slot0 + k * Q::kLanes);
      m[k] = Q::load(job.m + slot0 + k * Q::kLanes);
      b[k] = Q::load(job.b + slot0 + k * Q::kLanes);
    }
    const Q::Mask all = Q::mask(Q::kLanes);
    for (int r = 0; r < t.rows; ++r) {
      Q::I y[4];
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        y[k] = igemm_requantize<kPlain>(job, igemm_total(job, t, r, k, start[k], w_zero[k]), m[k], b[k],
                                        kPlain ? nullptr : add + r * r_pitch + k * Q::kLanes, all);
      Q::store_4u8(out + r * job.out_pitch, y);
    }
    j = 4;
  }
  for (; j < t.panels; ++j) {
    const std::int64_t slot = slot0 + j * Q::kLanes, left = job.pack.columns - t.column - j * Q::kLanes;
    const Q::Mask mask = Q::mask(left);
    const Q::I start = Q::load(job.start + slot), w_zero = Q::load(job.w_zero + slot);
    const Q::F m = Q::load(job.m + slot), b = Q::load(job.b + slot);
    if (left >= Q::kLanes) {
      for (int r = 0; r < t.rows; ++r)
        Q::store_u8(out + r * job.out_pitch + j * Q::kLanes,
                    igemm_requantize<kPlain>(job, igemm_total(job, t, r, j, start, w_zero), m, b,
                                             kPlain ? nullptr : add + r * r_pitch + j * Q::kLanes, mask));
    } else {
      for (int r = 0; r < t.rows; ++r)
        Q::store_u8(out + r * job.out_pitch + j * Q::kLanes,
                    igemm_requantize<kPlain>(job, igemm_total(job, t, r, j, start, w_zero), m, b,
                                             kPlain ? nullptr : add + r * r_pitch + j * Q::kLanes, mask),
                    mask);
    }
  }
}

/// Accumulators to outputs.
MONZA_INLINE void igemm_finish(const Igemm& job, const IgemmTileOut& t) {
  switch (job.mode) {
    case IgemmOut::i32: igemm_finish_i32(job, t); break;
    case IgemmOut::f32: igemm_finish_f32(job, t); break;
    case IgemmOut::q8:
      if (job.has_mid || job.residual != nullptr) igemm_finish_q8<false>(job, t);
      else igemm_finish_q8<true>(job, t);
  }
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
  alignas(64) std::int32_t acc[24 * Q::kLanes];
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
      (job.flip ? igemm_select<true>(panels, n) : igemm_select<false>(panels, n))(rows + r0, stride, job, w, acc);
      igemm_finish(job, {acc, row + r0, g, from * Q::kLanes, n, panels, sums + r0});
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
