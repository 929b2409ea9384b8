// Quantised sums and averages: parameters, and the arithmetic that references and fast kernels share.
#pragma once

#include <cstdint>

#include "ops/shared/requantize.params.h"

namespace monza {

/// QAdd(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero): y = quantise(act(dequantise(a) + dequantise(b)));
/// a, b and y are u8 or i8 of one shape. In f32: v = fma(a - a_zero, a_scale / y_scale, (b - b_zero) * (b_scale /
/// y_scale)), y = rint(clamp(v, low, high)) + y_zero with Requantize's bounds. QGlobalAveragePool(x, x_scale, x_zero,
/// y_scale, y_zero): the mean over all axes but the first two, [N, C, 1...]: v = (sum(x) - count * x_zero) * (x_scale /
/// (y_scale * count)), the sum exact. All fields are four bytes wide, so that equal parameters have equal bytes.
struct QEltwiseParams {
  Activation act;  ///< none, relu or clip
};

}  // namespace monza
