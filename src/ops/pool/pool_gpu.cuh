// What windows cover, on a GPU.
#pragma once

#include <cstdint>

#include "ops/pool/pool.params.h"

namespace monza::gpu {

/// What a window covers along one axis: its positions [begin, end) lie inside the input, the first of all at `start`,
/// and `padded` of them in the padded input.
struct Cover {
  std::int64_t start, begin, end, padded;
};

__device__ inline std::int64_t positions_below(std::int64_t limit, std::int64_t start, std::int64_t step,
                                               std::int64_t kernel) {
  if (limit <= start) return 0;
  const std::int64_t count = (limit - start + step - 1) / step;
  return count < kernel ? count : kernel;
}
__device__ inline Cover cover_of(const PoolWindow& w, int a, std::int64_t o) {
  const std::int64_t start = o * w.stride[a] - w.pad[a], step = w.dilation[a], kernel = w.kernel[a];
  const std::int64_t begin = positions_below(0, start, step, kernel),
                     end = positions_below(w.in[a], start, step, kernel);
  return {start, begin, end > begin ? end : begin, positions_below(w.in[a] + w.pad_end[a], start, step, kernel)};
}

}  // namespace monza::gpu
