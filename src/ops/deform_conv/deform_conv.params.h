// Deformable convolution: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// DeformConv(x [N, C, H, W], w [M, C / group, kh, kw], offset [N, offset_group * kh * kw * 2, oh, ow], bias? [M],
/// mask? [N, offset_group * kh * kw, oh, ow]): each tap reads x beside its place, by the offset, interpolated.
struct DeformConvParams {
  std::int32_t stride[2] = {1, 1};
  std::int32_t dilation[2] = {1, 1};
  std::int32_t pad_begin[2] = {0, 0};
  std::int32_t pad_end[2] = {0, 0};
  std::int32_t group = 1;
  std::int32_t offset_group = 1;
};

}  // namespace monza
