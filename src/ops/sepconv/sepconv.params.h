// Separable convolution: parameters.
#pragma once

#include "ops/conv/conv.params.h"

namespace monza {

/// SeparableConv(x, depth_weight, depth_bias?, weight, bias?, residual?, prelu_slope?) over two spatial axes:
///   x            : [N, C, in_h, in_w]       depth_weight : [C, 1, k_h, k_w]   depth_bias : [C]
///   weight       : [M, C, 1, 1]             bias         : [M]
///   residual     : as the output            slope        : M elements or one, for the prelu activation of `point`
///   out          : [N, M, out_h, out_w] = point(depth(x)), each as Conv computes it with these parameters
struct SeparableConvParams {
  ConvParams depth;  ///< one filter a channel; no residual, no prelu
  ConvParams point;  ///< 1x1, stride 1, no padding, one group
};

}  // namespace monza
