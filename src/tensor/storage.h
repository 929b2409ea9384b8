// The only place that says how many bytes a tensor takes.
#pragma once

#include <cstdint>

#include "monza/dtype.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace monza {

/// Bytes of a dense tensor, for every encoding: sub-byte types round up to a whole byte, block encodings
/// to whole blocks along the last axis. Throws Error on a negative extent or an overflow.
std::int64_t storage_bytes(DType dtype, const Shape& shape);
/// The same for a layout: blocked layouts round axis 1 up to whole blocks.
std::int64_t storage_bytes(DType dtype, const Shape& shape, Layout layout);

}  // namespace monza
