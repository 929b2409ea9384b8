// Convolutions as parts of other kernels: what each instruction set's files of conv define for them. The register tiles
// behind these functions are what takes longest to compile, so nobody else has tiles of his own.
#pragma once

#include "kernel/kernel.h"

namespace monza::ops {

/// Rows (depth * height) of a depthwise kernel at most.
inline constexpr int kMostRows = 32;

/// Makes the strip that direct convolution reads for output rows [row0, row0 + rows) of image n.
struct StripSource {
  void (*make)(const void* self, std::int64_t n, std::int64_t row0, std::int64_t rows, float* strip);
  const void* self;
};

/// Output rows [row0, row0 + rows) of image n of the depthwise convolution that the context describes, with one spatial
/// depth, as blocks of channels: to [block][row][column][vector]. The context's output needs no memory.
using DepthwiseRows = void(const KernelContext& c, std::int64_t n, std::int64_t row0, std::int64_t rows,
                           float* to) noexcept;
/// The direct convolution that the context describes, of a padded strip at a time; the input needs no memory.
using DirectFromStrips = void(const KernelContext& c, const StripSource& source) noexcept;

extern DepthwiseRows depthwise_rows_avx2, depthwise_rows_avx512;
extern DirectFromStrips direct_from_strips_avx2, direct_from_strips_avx512;

}  // namespace monza::ops
