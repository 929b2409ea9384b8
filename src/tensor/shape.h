// A concrete shape: up to eight extents, no allocation.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "base/macros.h"

namespace monza {

inline constexpr int kMaxRank = 8;

/// Extents of a tensor, outermost first. Rank 0 is a scalar (one element).
struct Shape {
  std::int32_t rank = 0;
  std::int64_t dim[kMaxRank] = {};

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> extents) : rank(static_cast<std::int32_t>(extents.size())) {
    int i = 0;
    for (std::int64_t e : extents) dim[i++] = e;
  }
  MONZA_INLINE std::int64_t operator[](int axis) const { return dim[axis]; }
  MONZA_INLINE std::int64_t& operator[](int axis) { return dim[axis]; }
  /// Product of the extents of axes [begin, end); 1 when the range is empty. No overflow check: shapes
  /// are checked by storage_bytes() before any memory is planned.
  MONZA_INLINE std::int64_t count(int begin, int end) const {
    std::int64_t n = 1;
    for (int i = begin; i < end; ++i) n *= dim[i];
    return n;
  }
  MONZA_INLINE std::int64_t numel() const { return count(0, rank); }
  friend MONZA_INLINE bool operator==(const Shape& a, const Shape& b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; ++i)
      if (a.dim[i] != b.dim[i]) return false;
    return true;
  }
};

/// "1x3x640x640"; a scalar prints as "scalar".
std::string to_string(const Shape& shape);

}  // namespace monza
