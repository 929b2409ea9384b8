// How a product is cut into tiles, one a block, and its depth into parts where tiles alone would leave processors idle.
#pragma once

#include <algorithm>

#include "ops/matmul/matmul_problem.cuh"

namespace monza::gpu {

struct Tiling {
  static constexpr std::int64_t kBlocks = 2 * kProcessors;  ///< parts of depth are made up to so many
  static constexpr std::int64_t kLeastDepth = 256;          ///< of a part
  static constexpr int kLarge = 128, kSmall = 64;           ///< sides of tiles

  bool large = false;
  std::int64_t tiles_m = 0, tiles_n = 0, tiles = 0;  ///< of all batches
  std::int64_t parts = 1, depth = 0;                 ///< of the sum over k

  /// `split`: the sum may be cut. Its order then depends on all extents, so that a row's result is not that of the row
  /// alone.
  Tiling(const Product& p, bool split) {
    const auto count = [&](int side) {
      tiles_m = (p.m + side - 1) / side;
      tiles_n = (p.n + side - 1) / side;
      tiles = tiles_m * tiles_n * p.batches;
    };
    count(kLarge);
    large = tiles >= kProcessors && p.m > kSmall && p.n > kSmall;
    if (!large) count(kSmall);
    depth = p.k;
    if (!split || large || tiles >= kProcessors || p.k < 2 * kLeastDepth) return;
    const std::int64_t wanted = std::min(kBlocks / tiles, p.k / kLeastDepth);
    if (wanted < 2) return;
    depth = ((p.k + wanted - 1) / wanted + 31) / 32 * 32;
    parts = (p.k + depth - 1) / depth;
  }
  /// Floats for the parts' sums, [part, batch, m, n]: there are at most kBlocks tiles of them.
  static constexpr std::size_t kScratchBytes = kBlocks * kSmall * kSmall * sizeof(float);

  unsigned blocks() const { return static_cast<unsigned>(std::min<std::int64_t>(tiles * parts, 0x7fffffff)); }
};

/// Where a tile lies. Blocks that run at the same time share rows and columns: tiles go down 8 rows of tiles, then
/// right.
struct TilePlace {
  std::int64_t part, batch, m, n;
  __device__ TilePlace(const Tiling& t, std::int64_t index, int side) {
    part = index / t.tiles;
    index -= part * t.tiles;
    const std::int64_t matrix = t.tiles_m * t.tiles_n;
    batch = index / matrix;
    index -= batch * matrix;
    constexpr std::int64_t kRows = 8;
    const std::int64_t band = index / (kRows * t.tiles_n), first = band * kRows, left = t.tiles_m - first,
                       rows = left < kRows ? left : kRows;
    index -= first * t.tiles_n;
    n = index / rows * side;
    m = (first + index % rows) * side;
  }
};

/// Adds up the parts of every element and stores what becomes of the sum.
template <typename T>
__global__ void finish_parts_kernel(Product p, std::int64_t parts, const float* sums, std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    const std::int64_t n = i % p.n, m = i / p.n % p.m, batch = i / p.n / p.m;
    float sum = 0;
    for (std::int64_t part = 0; part < parts; ++part) sum += sums[part * count + i];
    const auto extra = [&](const Product::Operand& o) {
      return o.data == nullptr ? 0.0F : load(o.as<T>() + p.offset(o, batch) + m * o.row + n * o.column);
    };
    const float add = extra(p.bias), more = extra(p.residual);
    store(const_cast<T*>(p.out.as<T>()) + p.offset(p.out, batch) + m * p.out.row + n * p.out.column,
          p.finish(sum, add, more));
  });
}

/// Whether vectors of `width` elements may be read along the axis of stride 1: `across` is the other axis's stride.
inline bool vectors_fit(const Product& p, const Product::Operand& o, std::int64_t across, int width, int bytes) {
  bool fit =
      across % width == 0 && reinterpret_cast<std::uintptr_t>(o.data) % static_cast<unsigned>(width * bytes) == 0;
  for (int i = 0; i < p.batch_rank; ++i) fit = fit && o.batch[i] % width == 0;
  return fit;
}

}  // namespace monza::gpu
