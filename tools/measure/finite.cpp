#include "tools/measure/finite.h"

#include <fmt/core.h>

#include <cmath>

#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::tool {

std::string not_finite(const TensorRef& tensor) {
  if (!is_float(tensor.dtype)) return {};
  const std::int64_t count = tensor.numel();
  std::int64_t nan = 0, infinite = 0;
  const auto look = [&](auto value) {
    nan += std::isnan(value) ? 1 : 0;
    infinite += std::isinf(value) ? 1 : 0;
  };
  if (tensor.dtype == DType::f32) {
    const auto* values = tensor.as<float>();
    for (std::int64_t i = 0; i < count; ++i) look(values[i]);
  } else {
    const ElementAccess& access = element_access(tensor.dtype);
    for (std::int64_t i = 0; access.load != nullptr && i < count; ++i) look(access.load(tensor.data, i));
  }
  if (nan == 0 && infinite == 0) return {};
  if (infinite == 0) return fmt::format("{} of {} elements are NaN", nan, count);
  if (nan == 0) return fmt::format("{} of {} elements are infinite", infinite, count);
  return fmt::format("{} of {} elements are NaN, {} are infinite", nan, count, infinite);
}

}  // namespace monza::tool
