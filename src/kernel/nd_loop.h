// Loops over the elements of strided tensors with numpy's broadcasting: what reference kernels are written with.
#pragma once

#include <cstdint>

#include "base/macros.h"
#include "kernel/parallel.h"
#include "tensor/view.h"

namespace monza {

/// Strides of `v` as seen from `out`: axes aligned at the last one, 0 where v has one element or no axis.
MONZA_INLINE void broadcast_strides(const TensorView& v, const Shape& out, std::int64_t* stride) {
  for (int i = 0; i < out.rank; ++i) {
    const int axis = i - (out.rank - v.shape.rank);
    stride[i] = axis < 0 || v.shape[axis] == 1 ? 0 : v.stride[axis];
  }
}

/// Calls body(out_index, in_index) for every element of `out`, with the element indices (in the buffers) of the output
/// and of the N inputs broadcast to it. Elements are visited once each, in no promised order, on all threads.
/// `parallel` is ignored where elements are smaller than a byte.
template <int N, typename F>
void for_each_broadcast(Parallel& parallel, const TensorView& out, const TensorView* const* in, F&& body) {
  const Shape& shape = out.shape;
  const int rank = shape.rank;
  std::int64_t in_stride[N == 0 ? 1 : N][kMaxRank];
  for (int k = 0; k < N; ++k) broadcast_strides(*in[k], shape, in_stride[k]);
  const std::int64_t count = shape.numel();
  const bool sub_byte = out.dtype == DType::i4 || out.dtype == DType::u4 || out.dtype == DType::f4e2m1 ||
                        out.dtype == DType::i2 || out.dtype == DType::u2;
  const std::int64_t chunk = sub_byte ? count : std::int64_t{16384};
  if (count == 0) return;
  parallel_for(parallel, (count + chunk - 1) / chunk, [&](std::int64_t task, int) {
    const std::int64_t begin = task * chunk, end = begin + chunk < count ? begin + chunk : count;
    std::int64_t index[kMaxRank] = {}, o = 0, i[N == 0 ? 1 : N] = {};
    std::int64_t rest = begin;
    for (int a = rank - 1; a >= 0; --a) {
      index[a] = rest % shape[a];
      rest /= shape[a];
      o += index[a] * out.stride[a];
      for (int k = 0; k < N; ++k) i[k] += index[a] * in_stride[k][a];
    }
    for (std::int64_t e = begin; e < end; ++e) {
      body(o, static_cast<const std::int64_t*>(i));
      for (int a = rank - 1; a >= 0; --a) {
        o += out.stride[a];
        for (int k = 0; k < N; ++k) i[k] += in_stride[k][a];
        if (++index[a] < shape[a]) break;
        o -= shape[a] * out.stride[a];
        for (int k = 0; k < N; ++k) i[k] -= shape[a] * in_stride[k][a];
        index[a] = 0;
      }
    }
  });
}

/// Some axes of a view: loops over their elements relative to a position on the other axes.
struct AxisLoop {
  int rank = 0;
  std::int64_t extent[kMaxRank] = {}, stride[kMaxRank] = {};

  MONZA_INLINE void add(std::int64_t axis_extent, std::int64_t axis_stride) {
    extent[rank] = axis_extent;
    stride[rank++] = axis_stride;
  }
  MONZA_INLINE std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= extent[i];
    return n;
  }
  /// Calls f(offset) for every element, the last axis fastest.
  template <typename F>
  void each(F&& f) const {
    const std::int64_t n = count();
    std::int64_t index[kMaxRank] = {}, offset = 0;
    for (std::int64_t e = 0; e < n; ++e) {
      f(offset);
      for (int a = rank - 1; a >= 0; --a) {
        offset += stride[a];
        if (++index[a] < extent[a]) break;
        offset -= extent[a] * stride[a];
        index[a] = 0;
      }
    }
  }
};

/// The axes of `v` whose bit is set in `axes`.
MONZA_INLINE AxisLoop axes_of(const TensorView& v, std::uint32_t axes) {
  AxisLoop loop;
  for (int a = 0; a < v.shape.rank; ++a)
    if (axes >> a & 1) loop.add(v.shape[a], v.stride[a]);
  return loop;
}

/// `v` with extent 1 on the axes whose bit is set: the positions that an AxisLoop over those axes starts from.
MONZA_INLINE TensorView without_axes(const TensorView& v, std::uint32_t axes) {
  TensorView kept = v;
  for (int a = 0; a < v.shape.rank; ++a)
    if (axes >> a & 1) kept.shape[a] = 1;
  return kept;
}

/// `out` with an axis of extent 1 put in for every set bit: undoes keepdims = 0 for a result of `rank` axes.
MONZA_INLINE TensorView with_axes(const TensorView& out, std::uint32_t axes, int rank) {
  if (out.shape.rank == rank) return out;
  TensorView full = out;
  full.shape.rank = rank;
  for (int a = 0, from = 0; a < rank; ++a) {
    const bool reduced = axes >> a & 1;
    full.shape[a] = reduced ? 1 : out.shape[from];
    full.stride[a] = reduced ? 0 : out.stride[from++];
  }
  return full;
}

}  // namespace monza
