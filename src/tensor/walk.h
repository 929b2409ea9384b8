// Visiting the elements of several operands together: row-major order over one shape, any strides.
#pragma once

#include <cstdint>

#include "base/macros.h"
#include "tensor/shape.h"

namespace monza {

/// An odometer over a shape that keeps the element offsets of N operands.
///
///   Walk<2> walk(shape, in.stride, out.stride);
///   for (; !walk.done; walk.next()) out[walk.offset[1]] = f(in[walk.offset[0]]);
template <int N>
struct Walk {
  int rank = 0;
  std::int64_t extent[kMaxRank] = {};
  std::int64_t stride[N][kMaxRank] = {};
  std::int64_t index[kMaxRank] = {};
  std::int64_t offset[N] = {};
  bool done = false;

  template <typename... Strides>
  MONZA_INLINE explicit Walk(const Shape& shape, const Strides*... strides) : rank(shape.rank) {
    static_assert(sizeof...(Strides) == N);
    const std::int64_t* list[] = {strides...};
    for (int a = 0; a < rank; ++a) {
      extent[a] = shape.dim[a];
      if (extent[a] == 0) done = true;
      for (int n = 0; n < N; ++n) stride[n][a] = list[n][a];
    }
  }

  /// Moves to the element at `linear`, counted in row-major order.
  MONZA_INLINE void seek(std::int64_t linear) {
    for (int n = 0; n < N; ++n) offset[n] = 0;
    for (int a = rank - 1; a >= 0; --a) {
      index[a] = extent[a] > 0 ? linear % extent[a] : 0;
      linear = extent[a] > 0 ? linear / extent[a] : 0;
      for (int n = 0; n < N; ++n) offset[n] += index[a] * stride[n][a];
    }
  }

  MONZA_INLINE void next() {
    for (int a = rank - 1; a >= 0; --a) {
      for (int n = 0; n < N; ++n) offset[n] += stride[n][a];
      if (++index[a] < extent[a]) return;
      for (int n = 0; n < N; ++n) offset[n] -= extent[a] * stride[n][a];
      index[a] = 0;
    }
    done = true;
  }
};

/// Row-major strides of `shape`.
MONZA_INLINE void dense_strides(const Shape& shape, std::int64_t* stride) {
  std::int64_t s = 1;
  for (int a = shape.rank - 1; a >= 0; --a) {
    stride[a] = s;
    s *= shape.dim[a];
  }
}

}  // namespace monza
