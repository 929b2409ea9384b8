// Moves of elements: as wide as strides and addresses allow, and by tiles where what is read and what is written have
// different innermost axes. Bound by memory: every byte is read and written once, so 4.2 TB/s take 64 us for 128 MiB.
#include "ops/shared/gpu_move.cuh"

namespace monza::gpu {
namespace {

constexpr int kTile = 32;

template <typename T>
__global__ void move_kernel(MoveAxes axes, const T* x, T* y) {
  for_each(axes.count, [&](std::int64_t i) {
    std::int64_t at[2];
    axes.at(i, at);
    y[at[1]] = x[at[0]];
  });
}

/// Tiles of two axes: y's elements lie side by side on the first, x's on the second.
struct Tiles {
  std::int64_t extent[2];
  std::int64_t x_step, y_step;  ///< of x on the first, of y on the second
  MoveAxes others;
};

template <typename T>
__global__ void __launch_bounds__(kThreads) tile_kernel(Tiles t, const T* x, T* y) {
  __shared__ T tile[kTile][kTile + 1];
  constexpr int kRows = kThreads / kTile;
  const int column = static_cast<int>(threadIdx.x) % kTile, row = static_cast<int>(threadIdx.x) / kTile;
  const std::int64_t across = (t.extent[0] + kTile - 1) / kTile, down = (t.extent[1] + kTile - 1) / kTile;
  const std::int64_t work = across * down * t.others.count;
  for (std::int64_t w = blockIdx.x; w < work; w += gridDim.x) {
    const std::int64_t rest = w / across, a = (w - rest * across) * kTile, outer = rest / down,
                       b = (rest - outer * down) * kTile;
    std::int64_t at[2];
    t.others.at(outer, at);
    __syncthreads();
#pragma unroll
    for (int r = row; r < kTile; r += kRows)
      if (a + r < t.extent[0] && b + column < t.extent[1]) tile[r][column] = x[at[0] + (a + r) * t.x_step + b + column];
    __syncthreads();
#pragma unroll
    for (int r = row; r < kTile; r += kRows)
      if (b + r < t.extent[1] && a + column < t.extent[0]) y[at[1] + (b + r) * t.y_step + a + column] = tile[column][r];
  }
}

/// The axes by y's strides, the least first, so that neighbouring threads write neighbours.
MoveAxes in_order_of_output(const MoveAxes& axes) {
  int order[2 * kMaxRank];
  for (int a = 0; a < axes.rank; ++a) {
    int at = a;
    for (; at > 0 && axes.stride[1][order[at - 1]] > axes.stride[1][a]; --at) order[at] = order[at - 1];
    order[at] = a;
  }
  MoveAxes sorted;
  for (int a = 0; a < axes.rank; ++a)
    sorted.add(axes.extent[order[a]], {axes.stride[0][order[a]], axes.stride[1][order[a]]});
  return sorted;
}

/// Two elements become one of twice the bytes where all of them lie in such pairs.
bool widen(MoveAxes& axes, std::int64_t bytes, const void* x, const void* y) {
  if (axes.rank == 0 || axes.stride[0][0] != 1 || axes.stride[1][0] != 1 || axes.extent[0] % 2 != 0) return false;
  if ((reinterpret_cast<std::uintptr_t>(x) | reinterpret_cast<std::uintptr_t>(y)) %
          static_cast<std::uintptr_t>(2 * bytes) !=
      0)
    return false;
  for (int k = 0; k < 2; ++k)
    for (int a = 1; a < axes.rank; ++a)
      if (axes.stride[k][a] % 2 != 0) return false;
  for (int k = 0; k < 2; ++k)
    for (int a = 1; a < axes.rank; ++a) axes.stride[k][a] /= 2;
  axes.extent[0] /= 2;
  axes.count /= 2;
  return true;
}

/// The axis on which x's elements lie side by side, if tiles of it and the innermost one are worth while; else 0.
int tile_axis(const MoveAxes& axes) {
  constexpr std::int64_t kLeast = kTile / 4;
  if (axes.rank < 2 || axes.stride[1][0] != 1 || axes.extent[0] < kLeast) return 0;
  if (axes.stride[0][0] == 1 || axes.stride[0][0] == 0) return 0;
  for (int a = 1; a < axes.rank; ++a)
    if (axes.stride[0][a] == 1 && axes.extent[a] >= kLeast) return a;
  return 0;
}

template <typename T>
void launch(const MoveAxes& axes, const void* x, void* y, cudaStream_t stream) {
  const auto* from = static_cast<const T*>(x);
  auto* to = static_cast<T*>(y);
  const int b = tile_axis(axes);
  if (sizeof(T) > 8 || b == 0) {
    move_kernel<<<blocks_for(axes.count), kThreads, 0, stream>>>(axes, from, to);
    return;
  }
  Tiles t{{axes.extent[0], axes.extent[b]}, axes.stride[0][0], axes.stride[1][b], {}};
  for (int a = 1; a < axes.rank; ++a)
    if (a != b) t.others.add(axes.extent[a], {axes.stride[0][a], axes.stride[1][a]});
  const std::int64_t tiles = (t.extent[0] + kTile - 1) / kTile * ((t.extent[1] + kTile - 1) / kTile) * t.others.count;
  tile_kernel<<<blocks_for(tiles, 1), kThreads, 0, stream>>>(t, from, to);
}

}  // namespace

Status move_elements(const MoveAxes& all, int bits, const void* x, void* y, cudaStream_t stream) {
  if (all.count == 0) return {};
  MoveAxes axes = in_order_of_output(all);
  std::int64_t bytes = bits / 8;
  while (bytes < 16 && widen(axes, bytes, x, y)) bytes *= 2;
  switch (bytes) {
    case 1: launch<std::uint8_t>(axes, x, y, stream); break;
    case 2: launch<std::uint16_t>(axes, x, y, stream); break;
    case 4: launch<std::uint32_t>(axes, x, y, stream); break;
    case 8: launch<std::uint64_t>(axes, x, y, stream); break;
    default: launch<uint4>(axes, x, y, stream);
  }
  return launched();
}

}  // namespace monza::gpu
