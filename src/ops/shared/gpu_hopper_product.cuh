// A matrix product of 16-bit numbers on Hopper: a block a tile. One warp has the factors copied into a ring of stages
// in shared memory, groups of four warps multiply them there and hold the sums (f32) in registers. What is a row of the
// first factor is the description's matter: a row of a matrix, or what a convolution's window sees of an image
// ("implicit GEMM", by copies in im2col mode).
//
// Floor: 2 m n k operations at 790 TFLOP/s. A tile of 128 by 128 reads 32 KiB for 2 Mi operations; a multiprocessor has
// two such blocks, of which one stores results while the other multiplies. Where tiles alone would leave processors
// idle, the blocks of a cluster share the depth: each sends its sums to the block that finishes their rows, which adds
// them in the order of the blocks.
//
// A launch begins while the kernel before it ends: what is made ready meanwhile, and the second factor where no kernel
// writes it, cost nothing then.
#pragma once

#include <algorithm>

#include "ops/shared/gpu.cuh"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_hopper.cuh"
#include "ops/shared/gpu_hopper_maps.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::gpu {

/// One launch.
struct HopperProduct {
  CUtensorMap a, b, r;  ///< factors; the residual, where `residual_boxes`
  // Factors along k: `taps` times `channels`, in boxes that begin with a tap.
  int channels = 0, taps = 1, boxes = 0;  ///< `boxes` of a tap
  int m = 0, n = 0;                       ///< of one batch
  int batches = 1, inner = 1;             ///< `inner`: extent of the inner one of two batch axes
  int a_batch[2] = {}, b_batch[2] = {},
      r_batch[2] = {};  ///< 1: the operand has that axis (the inner first), 0: one matrix for all
  // Of a convolution: the first factor is read by copy_pixels.
  bool pixels = false;
  int out[2] = {1, 1}, step[2] = {1, 1}, pad[2] = {}, window = 1, dilation[2] = {1, 1};  ///< of w, h; window: of w
  // How it is cut.
  int tiles_m = 0, tiles_n = 0, slices = 0, per_split = 0;  ///< slices of 64 factors

  struct Operand {
    const void* data = nullptr;  ///< null: absent
    std::int64_t row = 0, column = 0, batch[2] = {};
  };
  Operand bias, residual, out_to;
  bool constant_b = false;      ///< no kernel writes the second factor
  bool vectors = false;         ///< 8 columns of all these operands are read and written at once
  bool plain = false;           ///< beside that: a bias is one a column, the activation is of a few instructions
  bool from_registers = false;  ///< results are stored without a way through shared memory
  bool residual_boxes = false;  ///< the residual is copied to shared memory, behind the factors of each tile
  bool residual_after = false;
  float alpha = 1;
  Activation act;
};

/// What a tile is: `kM` by `kN` results, of 64 rows at a time in each of `kGroups` groups of warps.
template <int kM_, int kN_, int kGroups_, int kStages_, int kBlocks_>
struct HopperTile {
  static constexpr int kM = kM_, kN = kN_, kGroups = kGroups_, kStages = kStages_;
  static constexpr int kBlocks = kBlocks_;  ///< of a multiprocessor
  static constexpr int kParts = kM / (64 * kGroups);
  static constexpr int kThreads = kGroups * 128 + 32;
  static constexpr int kSlice = 64;
  static constexpr int kStageBytes = (kM + kN) * kSlice * 2;
  static constexpr bool kBoxedResidual = kM * kN * 2 <= kStageBytes;  ///< a stage has room for it
  static constexpr int kResidualBox = kN % 64 == 0 ? 64 : 32;         ///< columns that are copied at once
  // Sums that blocks send each other lie behind the stages where there is room, else where the stages were.
  static constexpr int kSumBytes = kM * kN * 4, kFactorBytes = kStages * kStageBytes, kBarrierBytes = 1024;
  static constexpr bool kOwnSums = kBlocks * (kFactorBytes + kSumBytes + kBarrierBytes + 1024) <= 228 * 1024;
  static constexpr int kSumsAt = kOwnSums ? kFactorBytes : 0;
  static constexpr int kBarriersAt = kOwnSums                   ? kFactorBytes + kSumBytes
                                     : kFactorBytes > kSumBytes ? kFactorBytes
                                                                : kSumBytes;
  static constexpr int kBytes = kBarriersAt + kBarrierBytes;
};

/// Which box of factors is next.
struct HopperCursor {
  int box, tap, column = 0, row = 0;
  __device__ __forceinline__ HopperCursor(const HopperProduct& p, int index) {
    tap = p.taps > 1 ? index / p.boxes : 0;
    box = index - tap * p.boxes;
    row = tap / p.window;
    column = tap - row * p.window;
  }
  /// The first of the box. Beyond the last tap everything is outside, so zeros.
  __device__ __forceinline__ int channel(const HopperProduct& p, int width) const {
    return tap < p.taps ? box * width : p.channels;
  }
  __device__ __forceinline__ void advance(const HopperProduct& p) {
    if (++box < p.boxes || p.taps == 1) return;
    box = 0;
    ++tap;
    if (++column == p.window) column = 0, ++row;
  }
};

/// Of four words of each of four lanes that follow each other: lane t gets word t of each.
__device__ __forceinline__ void exchange_words(std::uint32_t (&w)[4], int t) {
  const bool odd = t % 2 != 0, high = t / 2 != 0;
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    const std::uint32_t got = __shfl_xor_sync(~0U, odd ? w[i] : w[i + 1], 1);
    w[i] = odd ? got : w[i];
    w[i + 1] = odd ? w[i + 1] : got;
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const std::uint32_t got = __shfl_xor_sync(~0U, high ? w[i] : w[i + 2], 2);
    w[i] = high ? got : w[i];
    w[i + 2] = high ? w[i + 2] : got;
  }
}

/// Where a tile lies. Tiles go down 8 rows of tiles, then right, so that blocks which run together share rows and
/// columns.
struct HopperPlace {
  int m, n, batch0, batch1;
  __device__ __forceinline__ HopperPlace(const HopperProduct& p, int index, int tile_m, int tile_n) {
    const int matrix = p.tiles_m * p.tiles_n, batch = index / matrix;
    index -= batch * matrix;
    constexpr int kRows = 8;
    const int band = index / (kRows * p.tiles_n), rows = min(kRows, p.tiles_m - band * kRows);
    index -= band * kRows * p.tiles_n;
    n = index / rows * tile_n;
    m = (band * kRows + index % rows) * tile_m;
    batch1 = batch / p.inner;
    batch0 = batch - batch1 * p.inner;
  }
};

/// Where a column pair of the residual lies in a stage of shared memory, as bulk copies put it there: boxes of kBox
/// columns, their 16-byte pieces exchanged.
template <int kM, int kBox>
__device__ __forceinline__ std::uint32_t place_in_boxes(int row, int piece, int t) {
  constexpr int kPieces = kBox / 8;
  const int swap = kBox == 64 ? row % 8 : row / 2 % 4;
  return (piece / kPieces * kM + row) * kBox * 2 + (piece % kPieces ^ swap) * 16 + t * 4;
}

/// Stores a warp's sums of 16 rows, of which `row` is the lane's first in the tile, from the registers: lanes exchange
/// pairs of columns until each has eight. `boxes`: where the residual lies in shared memory, or 0.
template <typename T, typename Tile>
__device__ __forceinline__ void store_sums(const HopperProduct& p, const float (&sum)[Tile::kN / 2],
                                           const HopperPlace& at, int row, int lane, std::uint32_t boxes) {
  const auto base = [&](const HopperProduct::Operand& o) {
    return static_cast<const T*>(o.data) + at.batch0 * o.batch[0] + at.batch1 * o.batch[1];
  };
  const T *const bias = base(p.bias), *const residual = base(p.residual);
  T* const out = const_cast<T*>(base(p.out_to));
  const float low = p.act.kind == ActivationKind::relu   ? 0.0F
                    : p.act.kind == ActivationKind::clip ? p.act.alpha
                                                         : -INFINITY,
              high = p.act.kind == ActivationKind::clip ? p.act.beta : INFINITY;
  const int t = lane % 4;
#pragma unroll
  for (int q = 0; q < Tile::kN / 32; ++q) {
    const int whole = at.n + q * 32 + t * 8;  // the lane's eight columns
    std::uint32_t adds[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      adds[j] = 0;
      const int column = at.n + q * 32 + j * 8 + t * 2;
      if (p.bias.data != nullptr && column < p.n) adds[j] = *reinterpret_cast<const std::uint32_t*>(bias + column);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int own = row + half * 8, m = at.m + own;
      const bool inside = m < p.m && whole < p.n;
      std::uint32_t more[4] = {}, words[4];
      if (boxes != 0) {
#pragma unroll
        for (int j = 0; j < 4; ++j)
          more[j] = load_shared(boxes + place_in_boxes<Tile::kM, Tile::kResidualBox>(own, q * 4 + j, t));
      } else if (p.residual.data != nullptr) {
        if (inside) {
          const uint4 got = *reinterpret_cast<const uint4*>(residual + m * p.residual.row + whole);
          more[0] = got.x, more[1] = got.y, more[2] = got.z, more[3] = got.w;
        }
        exchange_words(more, t);
      }
      float x[8];
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        x[e] = sum[(q * 4 + e / 2) * 4 + half * 2 + e % 2] * p.alpha +
               load(reinterpret_cast<const T*>(&adds[e / 2]) + e % 2);
        if (!p.residual_after) x[e] += load(reinterpret_cast<const T*>(&more[e / 2]) + e % 2);
      }
      if (p.act.kind == ActivationKind::gelu_erf) {
#pragma unroll
        for (float& v : x) v = gelu(v);
      } else if (p.act.kind == ActivationKind::silu) {
#pragma unroll
        for (float& v : x) v = __fdividef(v, 1.0F + __expf(-v));
      } else {
#pragma unroll
        for (float& v : x) v = clamp(v, low, high);
      }
      if (p.residual_after) {
#pragma unroll
        for (int e = 0; e < 8; ++e) x[e] += load(reinterpret_cast<const T*>(&more[e / 2]) + e % 2);
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) words[j] = pair<T>(x[2 * j], x[2 * j + 1]);
      exchange_words(words, t);
      if (inside)
        *reinterpret_cast<uint4*>(out + m * p.out_to.row + whole) = make_uint4(words[0], words[1], words[2], words[3]);
    }
  }
}

/// The stages of shared memory in their order, with the barriers that say that a stage is full, or free again.
template <typename Tile>
struct HopperRing {
  std::uint32_t memory, barriers;
  int stage = 0, phase = 0;
  __device__ __forceinline__ HopperRing(std::uint32_t memory, std::uint32_t barriers)
      : memory(memory), barriers(barriers) {}
  __device__ __forceinline__ std::uint32_t factors() const { return memory + stage * Tile::kStageBytes; }
  __device__ __forceinline__ std::uint32_t full() const { return barriers + stage * 8; }
  __device__ __forceinline__ std::uint32_t free() const { return barriers + (Tile::kStages + stage) * 8; }
  __device__ __forceinline__ void advance() {
    if (++stage == Tile::kStages) stage = 0, phase ^= 1;
  }
};

/// One thread's work: copies slices `first` to `last` of the factors of every tile of the block.
template <typename Tile, int kBox, bool kByRow>
__device__ __forceinline__ void copy_factors(const HopperProduct& p, HopperRing<Tile> ring, int first, int last) {
  constexpr int kBoxes = Tile::kSlice / kBox;  // of a stage
  constexpr int kStageA = Tile::kM * Tile::kSlice * 2;
  prefetch_map(p.a);
  prefetch_map(p.b);
  bool awaited = false;
  const int tiles = p.tiles_m * p.tiles_n * p.batches;
  for (int index = static_cast<int>(blockIdx.x); index < tiles; index += static_cast<int>(gridDim.x)) {
    const HopperPlace at(p, index, Tile::kM, Tile::kN);
    int w = 0, h = 0, image = 0;
    if (p.pixels) {
      const int y = at.m / p.out[0];
      image = y / p.out[1];
      w = (at.m - y * p.out[0]) * p.step[0] - p.pad[0];
      h = (y - image * p.out[1]) * p.step[1] - p.pad[1];
    }
    HopperCursor at_a(p, first * kBoxes), at_b = at_a;
    const auto load_a = [&](const HopperRing<Tile>& r) {
#pragma unroll
      for (int j = 0; j < kBoxes; ++j) {
        const int k = at_a.channel(p, kBox);
        const std::uint32_t to = r.factors() + j * Tile::kM * kBox * 2;
        if (p.pixels)
          copy_pixels(to, p.a, r.full(), k, w, h, image, at_a.column * p.dilation[0], at_a.row * p.dilation[1]);
        else copy_box(to, p.a, r.full(), k, at.m, at.batch0 * p.a_batch[0], at.batch1 * p.a_batch[1]);
        at_a.advance(p);
      }
    };
    const auto load_b = [&](const HopperRing<Tile>& r) {
      barrier_expect(r.full(), Tile::kStageBytes);
      const std::uint32_t to = r.factors() + kStageA;
#pragma unroll
      for (int j = 0; j < kBoxes; ++j) {
        const int k = at_b.channel(p, kBox), b2 = at.batch0 * p.b_batch[0] + at_b.tap, b3 = at.batch1 * p.b_batch[1];
        if constexpr (kByRow) {
#pragma unroll
          for (int part = 0; part < Tile::kN / 64; ++part)
            copy_box(to + part * 64 * Tile::kSlice * 2, p.b, r.full(), at.n + part * 64, k, b2, b3);
        } else {
          copy_box(to + j * Tile::kN * kBox * 2, p.b, r.full(), k, at.n, b2, b3);
        }
        at_b.advance(p);
      }
    };
    int i = first;
    if (!awaited) {
      // Weights are there before the kernel that makes the first factor is done, and all stages are free.
      HopperRing<Tile> ahead = ring;
      const int filled = p.constant_b ? min(last, first + Tile::kStages) : first;
      for (int k = first; k < filled; ++k, ahead.advance()) load_b(ahead);
      if (p.constant_b) {
        HopperCursor later(p, filled * kBoxes);
        for (int k = filled * kBoxes; k < last * kBoxes; ++k, later.advance(p)) {
          const int channel = later.channel(p, kBox), b2 = at.batch0 * p.b_batch[0] + later.tap,
                    b3 = at.batch1 * p.b_batch[1];
          if constexpr (kByRow) {
            for (int part = 0; part < Tile::kN / 64; ++part) prefetch_box(p.b, at.n + part * 64, channel, b2, b3);
          } else {
            prefetch_box(p.b, channel, at.n, b2, b3);
          }
        }
      }
      await_kernels_before();
      awaited = true;
      for (; i < filled; ++i, ring.advance()) load_a(ring);
    }
    for (; i < last; ++i, ring.advance()) {
      barrier_wait(ring.free(), ring.phase ^ 1);
      load_b(ring);
      load_a(ring);
    }
    if constexpr (Tile::kBoxedResidual) {
      if (!p.residual_boxes) continue;
      barrier_wait(ring.free(), ring.phase ^ 1);
      barrier_expect(ring.full(), Tile::kM * Tile::kN * 2);
#pragma unroll
      for (int j = 0; j < Tile::kN / Tile::kResidualBox; ++j)
        copy_box(ring.factors() + j * Tile::kM * Tile::kResidualBox * 2, p.r, ring.full(),
                 at.n + j * Tile::kResidualBox, at.m, at.batch0 * p.r_batch[0], at.batch1 * p.r_batch[1]);
      ring.advance();
    }
  }
}

/// The sums of one tile that a group of warps holds, over `slices` slices.
template <typename T, typename Tile, int kBox, bool kByRow>
__device__ __forceinline__ void multiply_tile(float (&sum)[Tile::kParts][Tile::kN / 2], HopperRing<Tile>& ring,
                                              int slices, int group, int lane) {
  constexpr int kSteps = kBox / 16;
#pragma unroll
  for (int part = 0; part < Tile::kParts; ++part)
#pragma unroll
    for (int i = 0; i < Tile::kN / 2; ++i) sum[part][i] = 0;
  const std::uint32_t own_rows = group * Tile::kParts * 64 * kBox * 2;
  std::uint32_t before = 0;  // the barrier of the stage before
  for (int i = 0; i < slices; ++i, ring.advance()) {
    barrier_wait(ring.full(), ring.phase);
    const std::uint32_t a = ring.factors(), b = a + Tile::kM * Tile::kSlice * 2;
    products_begin();
#pragma unroll
    for (int k = 0; k < Tile::kSlice / 16; ++k) {
      const std::uint32_t a_now = a + k / kSteps * Tile::kM * kBox * 2 + own_rows + k % kSteps * 32;
      const std::uint64_t y = kByRow ? factors_by_row(b + k * 16 * 128, 64 * Tile::kSlice * 2)
                                     : factors_by_k<kBox>(b + k / kSteps * Tile::kN * kBox * 2 + k % kSteps * 32);
#pragma unroll
      for (int part = 0; part < Tile::kParts; ++part)
        product<T, kByRow>(sum[part], factors_by_k<kBox>(a_now + part * 64 * kBox * 2), y);
    }
    products_commit();
    products_await<1>();
    if (i > 0 && lane == 0) barrier_arrive(before);
    before = ring.free();
  }
  products_await<0>();
#pragma unroll
  for (int part = 0; part < Tile::kParts; ++part) pin(sum[part]);
  if (slices > 0 && lane == 0) barrier_arrive(before);
}

/// Reads something of each line of parameters that storing results needs. The first read of a line takes a third of a
/// microsecond; while the first factors are awaited, nothing.
__device__ __forceinline__ void touch_parameters(const HopperProduct& p) {
  asm volatile("" ::"r"(p.m), "r"(p.n), "r"(p.tiles_m), "r"(p.inner), "l"(p.bias.data), "l"(p.bias.batch[1]),
               "l"(p.residual.data), "l"(p.residual.batch[1]), "l"(p.out_to.data), "l"(p.out_to.batch[1]), "f"(p.alpha),
               "f"(p.act.beta));
}

/// One line of 128 bytes of the bias of the block's first tile, to L2: nobody read it since the last run.
template <typename T, typename Tile>
__device__ __forceinline__ void prefetch_bias(const HopperProduct& p, int line) {
  constexpr int kLine = 128 / sizeof(T);
  const HopperPlace at(p, static_cast<int>(blockIdx.x), Tile::kM, Tile::kN);
  const int n = at.n + line * kLine;
  if (p.bias.data == nullptr || line * kLine >= Tile::kN || n >= p.n) return;
  prefetch_line(static_cast<const T*>(p.bias.data) + n * p.bias.column);
}

/// Where sums lie that blocks send each other: in pieces of 8, exchanged so that 4 rows of one column of pieces lie in
/// all banks.
template <typename Tile>
__device__ __forceinline__ std::uint32_t place_of_sums(int row, int piece) {
  constexpr int kPieces = Tile::kN / 8;
  static_assert(kPieces % 4 == 0);
  return (row * kPieces + (piece ^ row % 4)) * 32;
}

/// Sends a lane's sums of rows `row` and `row` + 8 of the tile to the blocks that finish these: block i of `splits` has
/// the i-th part of the rows, and memory for each block's sums of them.
template <typename Tile>
__device__ __forceinline__ void send_sums(const float (&sum)[Tile::kN / 2], std::uint32_t sums, std::uint32_t received,
                                          int row, int t, int splits, int split) {
  const int share = Tile::kM / splits, shift = __ffs(share) - 1;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int m = row + half * 8, there = split * share + (m & (share - 1));
    if (splits == 1) {  // no cluster
#pragma unroll
      for (int j = 0; j < Tile::kN / 8; ++j)
        store_shared2(sums + place_of_sums<Tile>(there, j) + t * 8, sum[j * 4 + half * 2], sum[j * 4 + half * 2 + 1]);
    } else {
      const std::uint32_t to = address_in_block(sums, m >> shift), barrier = address_in_block(received, m >> shift);
#pragma unroll
      for (int j = 0; j < Tile::kN / 8; ++j)
        send2(to + place_of_sums<Tile>(there, j) + t * 8, sum[j * 4 + half * 2], sum[j * 4 + half * 2 + 1], barrier);
    }
  }
}

/// Asks for what is added to the block's part of the tile's rows, so that it is near when the sums are there.
template <typename T, typename Tile>
__device__ __forceinline__ void fetch_residual(const HopperProduct& p, const HopperPlace& at, int splits, int split) {
  constexpr int kLine = 128 / sizeof(T);  // elements
  const int row = static_cast<int>(threadIdx.x), m = at.m + split * (Tile::kM / splits) + row;
  if (p.residual.data == nullptr || row >= Tile::kM / splits || m >= p.m) return;
  const T* const from = static_cast<const T*>(p.residual.data) + at.batch0 * p.residual.batch[0] +
                        at.batch1 * p.residual.batch[1] + m * p.residual.row;
#pragma unroll
  for (int n = 0; n < Tile::kN; n += kLine)
    if (at.n + n < p.n) {
      std::uint16_t gone;
      asm volatile("ld.global.u16 %0, [%1];" : "=h"(gone) : "l"(from + (at.n + n) * p.residual.column));
    }
}

/// Applies one of the activations of a plain product.
__device__ __forceinline__ void activate_eight(const Activation& act, float (&v)[8]) {
  if (act.kind == ActivationKind::gelu_erf) {
#pragma unroll
    for (float& x : v) x = gelu(x);
  } else if (act.kind == ActivationKind::silu) {
#pragma unroll
    for (float& x : v) x = __fdividef(x, 1.0F + __expf(-x));
  } else if (act.kind != ActivationKind::none) {
    const float low = act.kind == ActivationKind::relu ? 0.0F : act.alpha,
                high = act.kind == ActivationKind::relu ? INFINITY : act.beta;
#pragma unroll
    for (float& x : v) x = clamp(x, low, high);
  }
}

/// Adds up and stores the block's part of the tile's rows. Short loops: code is cold when a kernel begins, and most of
/// the time is that of fetching it.
template <typename T, typename Tile>
__device__ __forceinline__ void finish_sums(const HopperProduct& p, const HopperPlace& at, std::uint32_t sums,
                                            std::uint32_t received, int splits, int split) {
  constexpr int kPieces = Tile::kN / 8, kThreads = Tile::kGroups * 128;
  constexpr int kRows = kThreads / kPieces;  // at once
  const int share = Tile::kM / splits, piece = static_cast<int>(threadIdx.x) % kPieces, n = at.n + piece * 8;
  const auto column = [&](const HopperProduct::Operand& o) {
    return static_cast<const T*>(o.data) + at.batch0 * o.batch[0] + at.batch1 * o.batch[1] + n * o.column;
  };
  const auto halves = [](const uint4& v) { return reinterpret_cast<const T*>(&v); };
  const bool adds = p.bias.data != nullptr, more = p.residual.data != nullptr;
  const T *const bias = column(p.bias), *const residual = column(p.residual);
  T* const out = const_cast<T*>(column(p.out_to));
  uint4 add = {};
  if (p.plain && adds && n < p.n) add = *reinterpret_cast<const uint4*>(bias);
  if (splits > 1) barrier_wait(received, 0);  // no block's memory goes before all was sent to it
#pragma unroll 1
  for (int row = static_cast<int>(threadIdx.x) / kPieces; row < share; row += kRows) {
    if (static_cast<int>(threadIdx.x) >= kRows * kPieces) break;
    const int m = at.m + split * share + row;
    const bool inside = m < p.m && n < p.n;
    uint4 extra = {};
    if (p.plain && more && inside) extra = *reinterpret_cast<const uint4*>(residual + m * p.residual.row);
    float v[8] = {};
#pragma unroll 1
    for (int s = 0; s < splits; ++s) {
      const std::uint32_t from = sums + place_of_sums<Tile>(s * share + row, piece);
      const float4 low = load_shared4(from), high = load_shared4(from + 16);
      v[0] += low.x, v[1] += low.y, v[2] += low.z, v[3] += low.w;
      v[4] += high.x, v[5] += high.y, v[6] += high.z, v[7] += high.w;
    }
    if (!inside) continue;
    if (p.plain) {
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = v[i] * p.alpha + load(halves(add) + i);
      if (more && !p.residual_after) {
#pragma unroll
        for (int i = 0; i < 8; ++i) v[i] += load(halves(extra) + i);
      }
      activate_eight(p.act, v);
      if (more && p.residual_after) {
#pragma unroll
        for (int i = 0; i < 8; ++i) v[i] += load(halves(extra) + i);
      }
      *reinterpret_cast<uint4*>(out + m * p.out_to.row) =
          make_uint4(pair<T>(v[0], v[1]), pair<T>(v[2], v[3]), pair<T>(v[4], v[5]), pair<T>(v[6], v[7]));
      continue;
    }
    // Rare, so small: the numbers go round through v, of which each step takes the first.
#pragma unroll 1
    for (int i = 0; i < 8 && n + i < p.n; ++i) {
      float x = v[0] * p.alpha;
#pragma unroll
      for (int j = 0; j < 7; ++j) v[j] = v[j + 1];
      if (adds) x += load(bias + m * p.bias.row + i * p.bias.column);
      const float y = more ? load(residual + m * p.residual.row + i * p.residual.column) : 0;
      if (!p.residual_after) x += y;
      x = activate(p.act, x);
      store(out + m * p.out_to.row + i * p.out_to.column, p.residual_after ? x + y : x);
    }
  }
}

/// kBox: factors of a row that are copied at once. kByRow: rows of b's boxes are columns of the result, each for one k.
/// Grid: blocks that go through the tiles (a block a tile, unless results are stored from registers), blocks that share
/// a tile's depth; these are a cluster.
template <typename T, typename Tile, int kBox, bool kByRow>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    hopper_product_kernel(const __grid_constant__ HopperProduct p) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  static_assert(!kByRow || (kBox == 64 && Tile::kN % 64 == 0));
  extern __shared__ __align__(1024) unsigned char memory[];  // swaps are by address bits
  const std::uint32_t base = shared_address(memory), barriers = base + Tile::kBarriersAt,
                      received = barriers + 2 * Tile::kStages * 8;
  HopperRing<Tile> ring(base, barriers);
  // Of one lane, so that the compiler knows it to be the same for a warp.
  const int warp = __shfl_sync(~0U, static_cast<int>(threadIdx.x) / 32, 0), lane = static_cast<int>(threadIdx.x) % 32;
  const int splits = static_cast<int>(gridDim.y), split = static_cast<int>(blockIdx.y);
  const int first = split * p.per_split, last = min(p.slices, first + p.per_split), slices = max(0, last - first);
  if (threadIdx.x == 0) {
    for (int i = 0; i < Tile::kStages; ++i) {
      barrier_init(ring.barriers + i * 8, 1);
      barrier_init(ring.barriers + (Tile::kStages + i) * 8, Tile::kGroups * 4);
    }
    barrier_init(received, 1);
    barriers_made();
    barrier_expect(received, Tile::kSumBytes);
  }
  __syncthreads();
  let_kernels_begin();
  if (Tile::kOwnSums && splits > 1) cluster_arrive();

  const int tiles = p.tiles_m * p.tiles_n * p.batches;
  if (warp == Tile::kGroups * 4) {
    if (lane == 0) copy_factors<Tile, kBox, kByRow>(p, ring, first, last);
    else prefetch_bias<T, Tile>(p, lane - 1);
    __syncwarp();
    if (splits == 1) return;
    if (!Tile::kOwnSums) cluster_arrive();
    cluster_wait();
    return;
  }
  const int own = warp / 4 * Tile::kParts * 64 + warp % 4 * 16 + lane / 4;  // the lane's first row
  for (int index = static_cast<int>(blockIdx.x); index < tiles; index += static_cast<int>(gridDim.x)) {
    touch_parameters(p);
    const HopperPlace at(p, index, Tile::kM, Tile::kN);
    if (Tile::kGroups * 128 >= Tile::kM && !p.from_registers) {
      await_kernels_before();
      fetch_residual<T, Tile>(p, at, splits, split);
    }
    float sum[Tile::kParts][Tile::kN / 2];
    multiply_tile<T, Tile, kBox, kByRow>(sum, ring, slices, warp / 4, lane);
    await_kernels_before();  // results go where those may still read
    if (p.from_registers) {
      const bool boxed = Tile::kBoxedResidual && p.residual_boxes;
      if (boxed) barrier_wait(ring.full(), ring.phase);
#pragma unroll
      for (int part = 0; part < Tile::kParts; ++part)
        store_sums<T, Tile>(p, sum[part], at, own + part * 64, lane, boxed ? ring.factors() : 0);
      if (boxed) {
        __syncwarp();
        if (lane == 0) barrier_arrive(ring.free());
        ring.advance();
      }
    } else {
      // What follows goes where the factors were, unless there is room behind them.
      if (splits == 1) {
        if (!Tile::kOwnSums) sync_threads(Tile::kGroups * 128);
      } else {
        if (!Tile::kOwnSums) cluster_arrive();
        cluster_wait();
      }
#pragma unroll
      for (int part = 0; part < Tile::kParts; ++part)
        send_sums<Tile>(sum[part], base + Tile::kSumsAt, received, own + part * 64, lane % 4, splits, split);
      if (splits == 1) sync_threads(Tile::kGroups * 128);
      finish_sums<T, Tile>(p, at, base + Tile::kSumsAt, received, splits, split);
    }
  }
#endif
}

/// Launches with the cut of `p`: `splits` blocks share the depth (1, 2, 4 or 8). `processors`: blocks for so many
/// multiprocessors go through the tiles; 0: a block a tile.
template <typename T, typename Tile, int kBox, bool kByRow>
void launch_hopper(const HopperProduct& p, int splits, int processors, cudaStream_t stream) {
  const auto kernel = hopper_product_kernel<T, Tile, kBox, kByRow>;
  // More than 48 KiB must be asked for, once for each device; it takes no stream and little time.
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kBytes);
  cudaLaunchConfig_t config{};
  const int tiles = p.tiles_m * p.tiles_n * p.batches,
            blocks = p.from_registers && processors > 0 ? std::min(tiles, processors * Tile::kBlocks) : tiles;
  config.gridDim = dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(splits));
  config.blockDim = dim3(Tile::kThreads);
  config.dynamicSmemBytes = Tile::kBytes;
  config.stream = stream;
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim.x = 1;
  attributes[1].val.clusterDim.y = static_cast<unsigned>(splits);
  attributes[1].val.clusterDim.z = 1;
  config.attrs = attributes;
  config.numAttrs = splits > 1 ? 2 : 1;
  (void)cudaLaunchKernelEx(&config, kernel, p);  // `launched()` tells
}

}  // namespace monza::gpu
