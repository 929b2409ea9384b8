#include "kernel/copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tensor/cell.h"
#include "tensor/dtype.h"
#include "tensor/walk.h"

namespace monza {
namespace {

/// Elements that one task copies at least: below it a second thread costs more than it saves.
constexpr std::int64_t kGrain = 1 << 14;

/// Offsets of the outer axes [0, rank - 1) at a linear index.
void outer_offsets(const CopyAxes& a, std::int64_t linear, std::int64_t* from, std::int64_t* to) {
  *from = *to = 0;
  for (int i = a.rank - 2; i >= 0; --i) {
    const std::int64_t at = linear % a.extent[i];
    linear /= a.extent[i];
    *from += at * a.from[i];
    *to += at * a.to[i];
  }
}

template <typename C>
void copy_row(const void* from, std::int64_t f, std::int64_t fs, void* to, std::int64_t t, std::int64_t ts,
              std::int64_t n) {
  if constexpr (C::bits >= 8) {
    using T = typename C::Bits;
    const T* src = static_cast<const T*>(from) + f;
    T* dst = static_cast<T*>(to) + t;
    if (fs == 1 && ts == 1) {
      std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(T));
    } else if (fs == 0 && ts == 1) {
      std::fill(dst, dst + n, *src);
    } else {
      for (std::int64_t i = 0; i < n; ++i) dst[i * ts] = src[i * fs];
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) C::set(to, t + i * ts, C::get(from, f + i * fs));
  }
}

}  // namespace

CopyAxes essential(const CopyAxes& axes) noexcept {
  CopyAxes kept;
  for (int i = 0; i < axes.rank; ++i) {
    if (axes.extent[i] == 0) {
      kept = {};
      kept.add(0, 1, 1);
      return kept;
    }
    if (axes.extent[i] != 1) kept.add(axes.extent[i], axes.from[i], axes.to[i]);
  }
  int order[CopyAxes::kMax];
  for (int i = 0; i < kept.rank; ++i) order[i] = i;
  // An insertion sort is stable and needs no memory.
  for (int i = 1; i < kept.rank; ++i)
    for (int j = i; j > 0 && std::llabs(kept.to[order[j - 1]]) < std::llabs(kept.to[order[j]]); --j)
      std::swap(order[j - 1], order[j]);
  CopyAxes merged;
  for (int i = 0; i < kept.rank; ++i) {
    const int k = order[i];
    if (merged.rank > 0) {
      const int last = merged.rank - 1;
      if (merged.from[last] == kept.from[k] * kept.extent[k] && merged.to[last] == kept.to[k] * kept.extent[k]) {
        merged.extent[last] *= kept.extent[k];
        merged.from[last] = kept.from[k];
        merged.to[last] = kept.to[k];
        continue;
      }
    }
    merged.add(kept.extent[k], kept.from[k], kept.to[k]);
  }
  if (merged.rank == 0) merged.add(1, 1, 1);
  return merged;
}

Status copy_elements(const void* from, void* to, int bits, const CopyAxes& axes, Parallel& parallel) noexcept {
  const CopyAxes a = essential(axes);
  const int last = a.rank - 1;
  const std::int64_t row = a.extent[last];
  std::int64_t rows = 1;
  for (int i = 0; i < last; ++i) rows *= a.extent[i];
  if (row == 0 || rows == 0) return {};
  const bool known = with_cell(bits, [&](auto cell) {
    using C = decltype(cell);
    // Two threads must not write into one byte.
    const bool split = C::bits >= 8 && parallel.threads() > 1;
    if (split && rows == 1 && row > 2 * kGrain) {
      const std::int64_t tasks = (row + kGrain - 1) / kGrain;
      parallel_for(parallel, tasks, [&](std::int64_t task, int) {
        const std::int64_t begin = task * kGrain;
        copy_row<C>(from, begin * a.from[last], a.from[last], to, begin * a.to[last], a.to[last],
                    std::min(kGrain, row - begin));
      });
      return;
    }
    const std::int64_t per_task = split ? std::max<std::int64_t>(1, kGrain / row) : rows;
    parallel_for(parallel, (rows + per_task - 1) / per_task, [&](std::int64_t task, int) {
      const std::int64_t end = std::min(rows, (task + 1) * per_task);
      for (std::int64_t r = task * per_task; r < end; ++r) {
        std::int64_t f, t;
        outer_offsets(a, r, &f, &t);
        copy_row<C>(from, f, a.from[last], to, t, a.to[last], row);
      }
    });
  });
  return known ? Status{} : Status{StatusCode::internal, "copy: element width"};
}

Status copy_view(const TensorView& from, const TensorView& to, Parallel& parallel) noexcept {
  if (from.shape.numel() != to.shape.numel()) return {StatusCode::internal, "copy: element counts differ"};
  const int bits = dtype_bits(from.dtype);
  CopyAxes axes;
  if (from.shape == to.shape) {
    for (int i = 0; i < to.shape.rank; ++i) axes.add(to.shape[i], from.stride[i], to.stride[i]);
    return copy_elements(from.data, to.data, bits, axes, parallel);
  }
  if (to.dense()) {
    std::int64_t dense[kMaxRank];
    dense_strides(from.shape, dense);
    for (int i = 0; i < from.shape.rank; ++i) axes.add(from.shape[i], from.stride[i], dense[i]);
    return copy_elements(from.data, to.data, bits, axes, parallel);
  }
  if (from.dense()) {
    std::int64_t dense[kMaxRank];
    dense_strides(to.shape, dense);
    for (int i = 0; i < to.shape.rank; ++i) axes.add(to.shape[i], dense[i], to.stride[i]);
    return copy_elements(from.data, to.data, bits, axes, parallel);
  }
  const bool known = with_cell(bits, [&](auto cell) {
    using C = decltype(cell);
    Walk<1> source(from.shape, from.stride), target(to.shape, to.stride);
    for (; !source.done && !target.done; source.next(), target.next())
      C::set(to.data, target.offset[0], C::get(from.data, source.offset[0]));
  });
  return known ? Status{} : Status{StatusCode::internal, "copy: element width"};
}

Status fill_view(const TensorView& to, const std::uint64_t value[2], Parallel& parallel) noexcept {
  CopyAxes axes;
  for (int i = 0; i < to.shape.rank; ++i) axes.add(to.shape[i], 0, to.stride[i]);
  return copy_elements(value, to.data, dtype_bits(to.dtype), axes, parallel);
}

}  // namespace monza
