// NaN and infinities in what a model computed.
#pragma once

#include <string>

#include "monza/engine.h"

namespace monza::tool {

/// "3 of 100 elements are NaN, 2 are infinite"; empty when all are finite or the type has no such values.
std::string not_finite(const TensorRef& tensor);

}  // namespace monza::tool
