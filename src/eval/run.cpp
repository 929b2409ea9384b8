#include "eval/run.h"

#include <fmt/core.h>

#include <cmath>

#include "base/printable.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::eval {

void run(Context& context) { check(context, context.run()); }

void check(const Context& context, const Status& status) {
  if (!status) throw RunError(context.describe(status));
}

void bind_inputs(const Engine& engine, Context& context, const std::vector<Tensor>& inputs) {
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Status status = context.bind_input(k, inputs[k]);
    if (!status) throw RunError(message("input '{}': {}", engine.inputs()[k].name, context.describe(status)));
  }
}

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

}  // namespace monza::eval
