// Rows on a GPU: axes that operands are walked along together, sums over the threads of a row, rows held in registers.
#pragma once

#include <cmath>

#include "ops/shared/gpu.cuh"

namespace monza::gpu {

/// Axes that N operands are walked along together, the innermost first; merged where all operands allow it.
template <int N, int Most = kMaxRank>
struct Axes {
  int rank = 0;
  std::int64_t count = 1;
  std::int64_t extent[Most] = {};
  std::int64_t stride[N][Most] = {};

  /// Puts an axis around those there are.
  void add(std::int64_t e, const std::int64_t (&s)[N]) {
    count *= e;
    if (e == 1) return;
    bool merges = rank > 0;
    for (int k = 0; merges && k < N; ++k) merges = s[k] == stride[k][rank - 1] * extent[rank - 1];
    if (merges) {
      extent[rank - 1] *= e;
      return;
    }
    extent[rank] = e;
    for (int k = 0; k < N; ++k) stride[k][rank] = s[k];
    ++rank;
  }
  /// The axes of `shape` whose bits are set, where the operands have these strides.
  void add(const Shape& shape, std::uint32_t mask, const std::int64_t* const (&strides)[N]) {
    for (int a = shape.rank - 1; a >= 0; --a) {
      if ((mask >> a & 1) == 0) continue;
      std::int64_t s[N];
      for (int k = 0; k < N; ++k) s[k] = strides[k][a];
      add(shape[a], s);
    }
  }
  /// Operand k steps over neighbours.
  bool contiguous(int k) const { return rank == 0 || (rank == 1 && stride[k][0] == 1); }

  /// Offsets, in elements, of the i-th position.
  __device__ __forceinline__ void at(std::int64_t i, std::int64_t (&offset)[N]) const {
#pragma unroll
    for (int k = 0; k < N; ++k) offset[k] = 0;
    for (int a = 0; a < rank; ++a) {
      std::int64_t x = i;
      if (a + 1 < rank) {  // what is left belongs to the outermost axis
        const std::int64_t whole = divide(i, extent[a]);
        x = i - whole * extent[a];
        i = whole;
      }
#pragma unroll
      for (int k = 0; k < N; ++k) offset[k] += x * stride[k][a];
    }
  }
};

/// Threads that take a row together: one, a warp, or a block of kThreads. Rows that do not lie side by side are left to
/// single threads where there are many: their neighbours then read what lies beside.
inline int lanes_for(std::int64_t rows, std::int64_t length, bool contiguous) {
  if (length <= 2 || (!contiguous && rows >= 8192)) return 1;
  return length >= 1024 || (length >= 256 && rows < 1024) ? kThreads : 32;
}
/// Blocks for rows that `lanes` threads each take.
inline unsigned blocks_for_rows(std::int64_t rows, int lanes) { return blocks_for(rows * lanes); }

/// Calls f(row, lane, active) for all rows below `count`, `lanes` (a power of two) threads each; a block has kThreads,
/// or less where no row takes more than a warp. All threads of a block call f equally often, so that it may
/// synchronise; where `active` is false there is no row.
template <typename F>
__device__ __forceinline__ void for_each_row(std::int64_t count, int lanes, F&& f) {
  const int per_block = static_cast<int>(blockDim.x) / lanes, lane = static_cast<int>(threadIdx.x) & (lanes - 1);
  for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * per_block; base < count;
       base += static_cast<std::int64_t>(gridDim.x) * per_block) {
    const std::int64_t row = base + static_cast<int>(threadIdx.x) / lanes;
    f(row, lane, row < count);
  }
}

template <typename V>
__device__ __forceinline__ V other_lane(V v, int distance) {
  return __shfl_xor_sync(0xffffffffu, v, distance);
}
/// What `combine` (commutative) makes of the values of the `lanes` threads of a row, in each of them; the same in every
/// run. All threads of the block call it.
template <typename V, typename F>
__device__ __forceinline__ V over_lanes(V v, int lanes, F&& combine) {
  for (int distance = (lanes < 32 ? lanes : 32) / 2; distance > 0; distance /= 2)
    v = combine(v, other_lane(v, distance));
  if (lanes <= 32) return v;
  __shared__ V of_warp[kThreads / 32];
  __syncthreads();
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = v;
  __syncthreads();
  v = of_warp[0];
  for (int warp = 1; warp < kThreads / 32; ++warp) v = combine(v, of_warp[warp]);
  return v;
}
template <typename V>
__device__ __forceinline__ V sum_over_lanes(V v, int lanes) {
  return over_lanes(v, lanes, [](V a, V b) { return a + b; });
}
/// A NaN is left out.
template <typename V>
__device__ __forceinline__ V largest_over_lanes(V v, int lanes) {
  return over_lanes(v, lanes, [](V a, V b) { return a > b || b != b ? a : b; });
}

/// How threads hold a row: E elements each, V of them (one, or 16 bytes) side by side.
template <int V_, int E_>
struct RowForm {
  static constexpr int V = V_, E = E_;
};
inline constexpr std::int64_t kLongestRow = 8192;  ///< that a block holds in registers

/// f(RowForm, lanes) for rows of n elements of type T; `vectors`: every row begins at a multiple of 16 bytes.
template <typename T, typename F>
void with_row_form(std::int64_t n, bool vectors, F&& f) {
  constexpr int kVector = 16 / sizeof(T);
  const auto lanes = [n](int each) {
    int count = 1;
    while (static_cast<std::int64_t>(count) * each < n) count *= 2;
    return count;
  };
  const auto form = [&](auto v) {
    constexpr int V = decltype(v)::V;
    if (n <= 256) f(RowForm<V, 8>{}, lanes(8));
    else if (n <= 1024) f(RowForm<V, 32>{}, lanes(32));
    else if (n <= 2048) f(RowForm<V, 8>{}, kThreads);
    else f(RowForm<V, 32>{}, kThreads);
  };
  if (vectors && n % kVector == 0) form(RowForm<kVector, 0>{});
  else form(RowForm<1, 0>{});
}
/// Whether a tensor's rows, its last axis, all begin at multiples of 16 bytes.
inline bool rows_are_aligned(const TensorView& v, std::int64_t element_bytes) {
  bool aligned = reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0;
  for (int a = 0; a + 1 < v.shape.rank; ++a)
    aligned = aligned && (v.shape[a] == 1 || v.stride[a] * element_bytes % 16 == 0);
  return aligned;
}

/// The index in its row of element j of a thread.
template <typename Form>
__device__ __forceinline__ int row_index(int j, int lane, int lanes) {
  return (j / Form::V * lanes + lane) * Form::V + j % Form::V;
}
/// Elements beyond the n of the row are `fill`.
template <typename Form, typename T>
__device__ __forceinline__ void load_row(const T* x, int n, int lane, int lanes, float fill, float (&v)[Form::E]) {
  constexpr int V = Form::V;
#pragma unroll
  for (int j = 0; j < Form::E; j += V) {
    const int i = row_index<Form>(j, lane, lanes);
    if constexpr (V == 1) {
      v[j] = i < n ? load(x + i) : fill;
    } else {
      if (i < n) {
        const uint4 whole = *reinterpret_cast<const uint4*>(x + i);
        const T* part = reinterpret_cast<const T*>(&whole);
#pragma unroll
        for (int k = 0; k < V; ++k) v[j + k] = load(part + k);
      } else {
#pragma unroll
        for (int k = 0; k < V; ++k) v[j + k] = fill;
      }
    }
  }
}
template <typename Form, typename T>
__device__ __forceinline__ void store_row(T* y, int n, int lane, int lanes, const float (&v)[Form::E]) {
  constexpr int V = Form::V;
#pragma unroll
  for (int j = 0; j < Form::E; j += V) {
    const int i = row_index<Form>(j, lane, lanes);
    if (i >= n) continue;
    if constexpr (V == 1) {
      store(y + i, v[j]);
    } else {
      uint4 whole;
      T* part = reinterpret_cast<T*>(&whole);
#pragma unroll
      for (int k = 0; k < V; ++k) store(part + k, v[j + k]);
      *reinterpret_cast<uint4*>(y + i) = whole;
    }
  }
}

}  // namespace monza::gpu
