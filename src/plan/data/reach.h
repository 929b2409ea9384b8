// Which bytes a view touches: the one rule that the plan verifier and the runtime both apply.
#pragma once

#include <cstdint>

#include "monza/dtype.h"
#include "tensor/view.h"

namespace monza::plan {

/// The bytes [0, end) that hold every element of a view whose element 0 lies `element_offset` elements after
/// byte 0. Returns -1 when an element lies before byte 0, an extent is negative, the sizes overflow, or the
/// combination has no meaning (a blocked layout of rank 1, a strided view of a block encoding). 0 when empty.
/// A packed operand has no elements of its own to reach: 0.
std::int64_t reach(DType dtype, Layout layout, const Shape& shape, const std::int64_t* stride,
                   std::int64_t element_offset) noexcept;

}  // namespace monza::plan
