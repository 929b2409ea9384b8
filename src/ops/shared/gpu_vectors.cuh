// Pointwise work by vectors: several elements that lie side by side in the output, and in each input side by side or
// all the same one (broadcast), are read and written at once. And by tiles, where an input is transposed.
#pragma once

#include "ops/shared/gpu_channels.cuh"

namespace monza::gpu {

/// Pointwise work may take its elements in any order: that of the output's strides, so that neighbouring threads write
/// neighbours (of a channels-last tensor the channels are innermost).
template <int N>
void order_by_output(Walk<N>& walk) {
  Walk<N> sorted = walk;
  sorted.rank = 0;
  bool taken[kMaxRank] = {};
  for (int n = 0; n < walk.rank; ++n) {
    int a = -1;
    for (int i = 0; i < walk.rank; ++i)
      if (!taken[i] && (a < 0 || walk.stride[0][i] < walk.stride[0][a])) a = i;
    taken[a] = true;
    const int last = sorted.rank - 1;
    bool merges = last >= 0;
    for (int k = 0; merges && k <= N; ++k) merges = walk.stride[k][a] == sorted.stride[k][last] * sorted.extent[last];
    if (merges) {
      sorted.extent[last] *= walk.extent[a];
      continue;
    }
    sorted.extent[sorted.rank] = walk.extent[a];
    for (int k = 0; k <= N; ++k) sorted.stride[k][sorted.rank] = walk.stride[k][a];
    ++sorted.rank;
  }
  walk = sorted;
}

/// Lets `walk` go in vectors of `each` elements: true where all operands allow it, else nothing is changed. `bytes` and
/// `data`: of an element, and of the first one, of each operand, the output first.
template <int N>
bool walk_in_vectors(Walk<N>& walk, int each, const int (&bytes)[N + 1], const void* const (&data)[N + 1]) {
  if (walk.rank == 0 || walk.extent[0] % each != 0 || walk.stride[0][0] != 1) return false;
  for (int k = 0; k <= N; ++k) {
    if (walk.stride[k][0] == 0) continue;
    if (walk.stride[k][0] != 1 || reinterpret_cast<std::uintptr_t>(data[k]) % (each * bytes[k]) != 0) return false;
    for (int a = 1; a < walk.rank; ++a)
      if (walk.stride[k][a] % each != 0) return false;
  }
  walk.extent[0] /= each;
  walk.count /= each;
  for (int k = 0; k <= N; ++k) walk.stride[k][0] *= each;
  return true;
}

/// The vector at p, or one element in all places where the operand does not move along it.
template <int kEach, typename T>
__device__ __forceinline__ Channels<T, kEach> load_vector(const T* p, bool same) {
  if (!same) return *reinterpret_cast<const Channels<T, kEach>*>(p);
  Channels<T, kEach> v;
  const T one = *p;
#pragma unroll
  for (int j = 0; j < kEach; ++j) v.v[j] = one;
  return v;
}

/// Tiles of two axes: the output's elements lie side by side on the first, the input's on the second, so that through
/// shared memory both are read and written by neighbouring threads.
struct WalkTiles {
  static constexpr int kTile = 32;
  std::int64_t extent[2] = {}, x_step = 0, y_step = 0;  ///< of x on the first axis, of y on the second
  Walk<1> others;
  std::int64_t count = 0;  ///< of tiles; 0: the operands are not of this kind

  explicit WalkTiles(const Walk<1>& walk) : others(walk) {
    constexpr std::int64_t kLeast = kTile / 4;
    int b = 1;
    while (b < walk.rank && (walk.stride[1][b] != 1 || walk.extent[b] < kLeast)) ++b;
    if (b >= walk.rank || walk.stride[0][0] != 1 || walk.stride[1][0] <= 1 || walk.extent[0] < kLeast) return;
    extent[0] = walk.extent[0], extent[1] = walk.extent[b];
    x_step = walk.stride[1][0], y_step = walk.stride[0][b];
    others.rank = 0;
    others.count = 1;
    for (int a = 1; a < walk.rank; ++a) {
      if (a == b) continue;
      others.extent[others.rank] = walk.extent[a];
      for (int k = 0; k < 2; ++k) others.stride[k][others.rank] = walk.stride[k][a];
      others.count *= walk.extent[a];
      ++others.rank;
    }
    count = (extent[0] + kTile - 1) / kTile * ((extent[1] + kTile - 1) / kTile) * others.count;
  }
};

/// y = f(x) by tiles; a block of kThreads for each, or several.
template <typename From, typename To, typename F>
__device__ __forceinline__ void for_each_in_tiles(const WalkTiles& t, const From* x, To* y, F&& f) {
  constexpr int kTile = WalkTiles::kTile, kRows = kThreads / kTile;
  __shared__ From tile[kTile][kTile + 4 / sizeof(From)];
  const int column = static_cast<int>(threadIdx.x) % kTile, row = static_cast<int>(threadIdx.x) / kTile;
  const std::int64_t across = (t.extent[0] + kTile - 1) / kTile, down = (t.extent[1] + kTile - 1) / kTile;
  for (std::int64_t w = blockIdx.x; w < t.count; w += gridDim.x) {
    const Division of_across(w, across), of_down(of_across.whole, down);
    const std::int64_t a = of_across.rest * kTile, b = of_down.rest * kTile;
    std::int64_t at[2];
    t.others.at(of_down.whole, at);
    __syncthreads();
#pragma unroll
    for (int r = row; r < kTile; r += kRows)
      if (a + r < t.extent[0] && b + column < t.extent[1]) tile[r][column] = x[at[1] + (a + r) * t.x_step + b + column];
    __syncthreads();
#pragma unroll
    for (int r = row; r < kTile; r += kRows)
      if (b + r < t.extent[1] && a + column < t.extent[0])
        y[at[0] + (b + r) * t.y_step + a + column] = f(tile[column][r]);
  }
}

}  // namespace monza::gpu
