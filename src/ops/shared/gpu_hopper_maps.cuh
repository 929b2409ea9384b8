// What hosts do for kernels of Hopper: whether there is such a GPU, and descriptions of tensors for its bulk copies.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "monza/status.h"

namespace monza::gpu {

/// Whether the first GPU runs sm_90a code and its driver describes tensors. Asked once.
bool hopper() noexcept;

/// A tensor of rank 4 of 16-bit numbers, the innermost axis first, which copies of `box` elements are made of: `box[0]`
/// elements of 128, 64 or 32 bytes are a row of shared memory, swapped in 16-byte pieces. Strides in elements, of axes
/// 1 to 3; axes of extent 1 may have any. An empty tensor has extents 1 instead of 0.
struct BoxedTensor {
  const void* data = nullptr;
  std::int64_t extent[4] = {1, 1, 1, 1}, stride[3] = {};
  int box[4] = {1, 1, 1, 1};
};
Status describe(const BoxedTensor& t, CUtensorMap& map) noexcept;

/// A channels-last image [n, h, w, channel] that convolutions read, `pixels` outputs at once and `channels` of each.
struct PixelTensor {
  const void* data = nullptr;
  std::int64_t extent[4] = {1, 1, 1, 1};  ///< channels, w, h, n
  std::int64_t stride[3] = {};            ///< of w, h, n, in elements
  int low[2] = {}, high[2] = {};  ///< of w, h: what is added to the first and last pixel that is an output's first
  int step[2] = {1, 1};           ///< from output to output
  int channels = 64, pixels = 128;
};
Status describe(const PixelTensor& t, CUtensorMap& map) noexcept;

}  // namespace monza::gpu
