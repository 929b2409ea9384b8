// Gathering, scattering and selecting: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// Gather(x, indices), GatherElements(x, indices): along `axis`. GatherND(x, indices): after `batch_dims` axes.
struct GatherParams {
  std::int32_t axis = 0;
  std::int32_t batch_dims = 0;
};

/// ScatterElements(x, indices, updates) along `axis`, ScatterND(x, indices, updates).
struct ScatterParams {
  enum class Reduction : std::int32_t { none = 0, add, mul, max, min };
  std::int32_t axis = 0;
  Reduction reduction = Reduction::none;
};

/// TensorScatter(cache, update, write_indices?): update[b, ..., s, ...] goes to cache[b, ..., write_indices[b] + s,
/// ...].
struct TensorScatterParams {
  std::int32_t axis = -2;
  std::int32_t circular = 0;  ///< 1: positions wrap around the extent
};

/// Compress(x, condition), Unique(x): along `axis`, or over the flattened elements.
struct SelectParams {
  std::int32_t axis = 0;
  std::int32_t flat = 0;    ///< 1: no axis
  std::int32_t sorted = 1;  ///< Unique: ascending; 0: in order of first occurrence
};

/// TopK(x, k): k is the output's extent on `axis`.
struct TopKParams {
  std::int32_t axis = -1;
  std::int32_t largest = 1;
  std::int32_t sorted = 1;
};

/// NonMaxSuppression(boxes [B, N, 4], scores [B, C, N], most_per_class?, iou?, score?): selected [n, 3].
struct NonMaxSuppressionParams {
  std::int32_t center_point_box = 0;  ///< 1: boxes are x, y (centre), width, height; 0: two opposite corners y, x
};

}  // namespace monza
