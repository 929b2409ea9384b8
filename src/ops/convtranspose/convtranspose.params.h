// Transposed convolution: parameters.
#pragma once

#include "ops/conv/conv.params.h"

namespace monza {

/// ConvTranspose(x, w, bias?) over 1 to 3 spatial axes: every input element adds its multiple of the kernel to the
/// output at stride * index - pad_begin.
///   x : [N, C, in...]   w : [C, M / group, k...]   bias : [M]   out : [N, M, out...] = act(sum + bias)
/// Read as in Conv; `padding` is `given`, pad_end takes no part (the output's extents say where it ends).
using ConvTransposeParams = ConvParams;

}  // namespace monza
