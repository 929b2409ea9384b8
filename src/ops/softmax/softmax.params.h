// Softmax, LogSoftmax and Hardmax: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// Numbers are part of the engine file: append, never renumber.
enum class SoftmaxKind : std::int32_t {
  softmax = 0,
  log_softmax = 1,
  hardmax = 2,  ///< 1 at the first largest element, else 0
};

/// Normalises over axes [axis, end) together: one axis, or before opset 13 all from `axis` on.
struct SoftmaxParams {
  SoftmaxKind kind = SoftmaxKind::softmax;
  std::int32_t axis = 0;
  std::int32_t end = 1;
};

}  // namespace monza
