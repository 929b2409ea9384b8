// NegativeLogLikelihoodLoss: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// NegativeLogLikelihoodLoss(x, target, weight?): x [N, C, ...] of log probabilities, target [N, ...] of classes,
/// weight [C]; out = -weight[t] x[n, t, ...], or over all elements its sum, or its mean by weight.
struct NllParams {
  enum class Reduction : std::int32_t { none = 0, sum = 1, mean = 2 };
  Reduction reduction = Reduction::mean;
  std::int32_t ignores = 0;  ///< elements with target == ignore_index count nothing
  std::int64_t ignore_index = 0;
};

}  // namespace monza
