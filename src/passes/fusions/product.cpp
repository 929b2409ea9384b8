#include "passes/fusions/product.h"

namespace monza {

std::string fits_channels(const ir::Constant& c, const ir::Type& out, std::size_t axis) {
  if (out.rank() == 0) return "the result is a scalar";
  const auto channels = out.shape[axis].try_constant();
  if (!channels) return "the number of channels is not known at build";
  const int lead = static_cast<int>(out.rank()) - c.shape.rank;
  for (int i = 0; i < c.shape.rank; ++i)
    if (c.shape[i] != 1 && (i + lead != static_cast<int>(axis) || c.shape[i] != *channels))
      return "the constant " + to_string(c.shape) + " is not one number per channel";
  return "";
}

}  // namespace monza
