// Squeeze and excite: parameters.
#pragma once

#include <cstdint>

#include "ops/shared/activation.params.h"

namespace monza {

/// SqueezeExcite(x, squeeze, squeeze_bias?, excite, excite_bias?) (Hu et al., "Squeeze-and-Excitation Networks", 2018):
///   x       : [N, C, in...]        squeeze : [H, C]      squeeze_bias : [H]
///                                  excite  : [C, H]      excite_bias  : [C]
///   out     : as x = x * outer(excite inner(squeeze mean(x) + squeeze_bias) + excite_bias), the mean over in...
struct SqueezeExciteParams {
  Activation inner;  ///< no prelu
  Activation outer;  ///< no prelu
};

}  // namespace monza
