// Copies between strided tensors: what every operator that only moves elements comes down to.
#pragma once

#include <cstdint>

#include "kernel/parallel.h"
#include "monza/status.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace monza {

/// Axes of a copy: to[i * to_stride] = from[i * from_stride] over all indices. A stride of 0 in `from` repeats.
struct CopyAxes {
  static constexpr int kMax = 2 * kMaxRank;
  int rank = 0;
  std::int64_t extent[kMax] = {};
  std::int64_t from[kMax] = {};  ///< strides in elements
  std::int64_t to[kMax] = {};

  MONZA_INLINE void add(std::int64_t e, std::int64_t from_stride, std::int64_t to_stride) {
    extent[rank] = e;
    from[rank] = from_stride;
    to[rank] = to_stride;
    ++rank;
  }
};

/// The same copy with as few axes as possible: axes of extent 1 dropped, axes in order of falling destination
/// stride, neighbours that are contiguous in both tensors merged. An empty copy becomes one axis of extent 0.
CopyAxes essential(const CopyAxes& axes) noexcept;

/// Copies elements of `bits` (2, 4, 8, ..., 128) bits. Destinations must not overlap each other or the source.
Status copy_elements(const void* from, void* to, int bits, const CopyAxes& axes, Parallel& parallel) noexcept;

/// Copies all elements of `from` to `to`, in row-major order of each: shapes may differ, element counts may not.
Status copy_view(const TensorView& from, const TensorView& to, Parallel& parallel) noexcept;

/// Sets every element of `to` to the lowest bits of `value` (16 bytes, little-endian).
Status fill_view(const TensorView& to, const std::uint64_t value[2], Parallel& parallel) noexcept;

/// Address of element `offset` for a type of `bits` bits; sub-byte offsets must fall on a byte.
MONZA_INLINE void* element_address(void* data, int bits, std::int64_t offset) {
  return static_cast<char*>(data) + offset * bits / 8;
}

}  // namespace monza
