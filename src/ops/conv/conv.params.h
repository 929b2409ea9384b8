// Convolution: parameters.
#pragma once

#include <cstdint>

#include "base/macros.h"
#include "ops/shared/activation.params.h"
#include "tensor/shape.h"

namespace monza {

/// Spatial axes that a convolution's parameters hold: all that a tensor has beside batch and channels. Fast kernels,
/// and the relatives of Conv, take up to three.
inline constexpr int kConvAxes = kMaxRank - 2;

/// Conv(x, w, bias?, residual?, prelu_slope?) over 1 to kConvAxes spatial axes.
///   x        : [N, C, in...]           w     : [M, C / group, k...]
///   bias     : [M]                     residual : as the output
///   slope    : M elements or one, for the prelu activation
///   out      : [N, M, out...] = act(conv(x, w) + bias + residual), or act(conv(x, w) + bias) + residual
/// All fields are four bytes wide, so that the struct has no padding and equal parameters have equal bytes.
struct ConvParams {
  /// How pads are found: as given, or from the extents, so that out = ceil(in / stride).
  enum class Padding : std::int32_t { given = 0, same_upper = 1, same_lower = 2 };

  std::int32_t spatial = 2;  ///< spatial axes; the arrays below hold that many
  std::int32_t stride[kConvAxes] = {1, 1, 1, 1, 1, 1};
  std::int32_t dilation[kConvAxes] = {1, 1, 1, 1, 1, 1};
  std::int32_t pad_begin[kConvAxes] = {};
  std::int32_t pad_end[kConvAxes] = {};
  Padding padding = Padding::given;
  std::int32_t group = 1;
  Activation act;
  std::int32_t residual_after = 0;  ///< 1: the residual is added after the activation
};

/// Zeros before the first element of spatial axis `axis` of extents in, k (kernel), out.
MONZA_INLINE std::int64_t conv_pad_begin(const ConvParams& p, int axis, std::int64_t in, std::int64_t k,
                                         std::int64_t out) {
  if (p.padding == ConvParams::Padding::given) return p.pad_begin[axis];
  const std::int64_t total = (out - 1) * p.stride[axis] + (k - 1) * p.dilation[axis] + 1 - in;
  if (total <= 0) return 0;
  return p.padding == ConvParams::Padding::same_upper ? total / 2 : total - total / 2;
}

}  // namespace monza
