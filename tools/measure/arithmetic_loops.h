// Loops of the operations whose rate bounds what kernels can do: a file for each architecture.
#pragma once

#include <cstdint>
#include <span>

#include "tools/measure/ceilings.h"

namespace monza::tool {

struct ArithmeticLoop {
  Isa needs;
  double Ceilings::* ceiling;  ///< which its rate is measured for; the best counts
  std::int64_t operations;     ///< of one call
  void (*run)();
};

/// This architecture's; none where there are no kernels to hold against them.
std::span<const ArithmeticLoop> arithmetic_loops();

}  // namespace monza::tool
