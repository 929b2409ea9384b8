// Convolutions by cuDNN, where it is installed. Its interface is declared here as far as it is used (version 9), as
// that of cuBLASLt is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/library.h"
#include "monza/status.h"
#include "tensor/dtype.h"

struct CUstream_st;

namespace monza::backend {

/// y = conv(x, w), or y = act(conv(x, w) + z + bias), of channels-last tensors: f16 or f32, sums f32 (no TF32).
struct DnnConv {
  static constexpr int kMostAxes = 3;
  DType dtype = DType::invalid;
  int spatial = 2;  ///< 2 or 3
  /// Extents [N, C, in...], [M, C / groups, k...], [N, M, out...], and elements from one to the next along each axis.
  int x[kMostAxes + 2] = {}, w[kMostAxes + 2] = {}, y[kMostAxes + 2] = {};
  int x_stride[kMostAxes + 2] = {}, y_stride[kMostAxes + 2] = {}, z_stride[kMostAxes + 2] = {};
  int pad[kMostAxes] = {}, stride[kMostAxes] = {}, dilation[kMostAxes] = {};  ///< pads of both sides
  int groups = 1;
  const void* x_data = nullptr;
  const void* w_data = nullptr;  ///< [M, k..., C / groups]
  const void* z_data = nullptr;  ///< as y; absent without a bias, too
  const void* bias = nullptr;    ///< [M]; null: nothing follows the convolution
  bool relu = false;
  void* y_data = nullptr;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};

/// Whether it can be used, and why not. The first call opens it. Thread-safe.
const LibraryFacts& cudnn_facts();
/// Puts the convolution into the stream; `done` is false, and nothing was put there, where the library has no kernel
/// for it within the workspace. Only where the facts name nothing that is missing. Thread-safe; one caller at a time.
/// How a convolution is computed is asked once.
Status cudnn_convolve(const DnnConv& conv, CUstream_st* stream, bool& done) noexcept;

}  // namespace monza::backend
