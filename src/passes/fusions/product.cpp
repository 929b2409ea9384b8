#include "passes/fusions/product.h"

#include "passes/pattern.h"

namespace monza {

std::string fits_channels(const ir::Constant& c, const ir::Type& out, std::size_t axis) {
  if (out.rank() == 0) return "the result is a scalar";
  if (c.shape.rank > static_cast<int>(out.rank())) return "the constant has a higher rank than the result";
  const auto channels = out.shape[axis].try_constant();
  if (!channels) return "the number of channels is not known at build";
  const int lead = static_cast<int>(out.rank()) - c.shape.rank;
  for (int i = 0; i < c.shape.rank; ++i)
    if (c.shape[i] != 1 && (i + lead != static_cast<int>(axis) || c.shape[i] != *channels))
      return "the constant " + to_string(c.shape) + " is not one number per channel";
  return "";
}

std::string fits_bias(const ir::Node& product, const ir::Constant& bias, const ir::Type& out) {
  return operands_of(product).conv ? "" : fits_channels(bias, out, channel_axis(product, out.rank()));
}

bool same_number(const ir::Graph& graph, ir::ValueId a, ir::ValueId b) {
  if (a == b) return true;
  // An absent zero point is zero.
  const auto number = [&](ir::ValueId v) { return v == ir::kNone ? std::optional(0.0) : scalar_value(graph, v); };
  const auto x = number(a), y = number(b);
  return x && y && *x == *y;
}

}  // namespace monza
