// Which bytes a view touches: the one rule that the plan verifier and the runtime both apply.
#pragma once

#include <cstdint>

#include "monza/dtype.h"
#include "plan/data/plan.h"
#include "tensor/view.h"

namespace monza::plan {

/// Elements that a tensor may have, repeated ones (strides of 0) counted: products of a few extents fit 64 bits.
inline constexpr std::int64_t kMostElements = std::int64_t{1} << 40;
/// Elements that one step along an axis may skip, also where the axis has one element and is never stepped along: loops
/// add a stride before they see that they have ended, and that sum fits 64 bits.
inline constexpr std::int64_t kMostStride = std::int64_t{1} << 56;

/// The bytes [0, end) that hold every element of a view whose element 0 lies `element_offset` elements after
/// byte 0. Returns -1 when an element lies before byte 0, an extent is negative, the sizes overflow, there are more
/// than kMostElements, a stride is beyond kMostStride, or the combination has no meaning (a blocked layout of rank 1, a
/// strided view of a block encoding). 0 when empty. A packed operand has no elements of its own to reach: 0.
std::int64_t reach(DType dtype, Layout layout, const Shape& shape, const std::int64_t* stride,
                   std::int64_t element_offset) noexcept;

/// Gives a view dense strides for its shape and returns the bytes it takes; -1 when there are too many.
std::int64_t dense_reach(DType dtype, TensorView& view) noexcept;

/// Whether two operands count from the same memory: only then can a plan lay one over the other.
inline bool same_memory(const Operand& a, const Operand& b) noexcept {
  if (a.base != b.base || a.base == Base::none || a.base == Base::state) return false;
  return a.base == Base::arena || a.base == Base::weights ? a.device == b.device : a.index == b.index;
}

}  // namespace monza::plan
