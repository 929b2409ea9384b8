// Integer convolutions: parameters.
#pragma once

#include "ops/conv/conv.params.h"
#include "ops/shared/requantize.params.h"

namespace monza {

/// ConvInteger(x, w, x_zero?, w_zero?) : i32 = conv(x - x_zero, w - w_zero), modulo 2^32
/// QConv(...QInput) : quantised or f32 = act(x_scale * w_scale[m] * conv(x - x_zero, w - w_zero[m]) + bias[m] +
/// residual)
///   x : [N, C, in...] (u8, i8)    w : [M, C / group, k...] (u8, i8)    out : [N, M, out...]
/// Padding is with x_zero, that is with zeros of the real numbers. Both use ConvParams.
using QConvParams = ConvParams;

}  // namespace monza
