// None until there are kernels for aarch64: what is measured is how far those are from the machine's best.
#if defined(__aarch64__)

#include "tools/measure/arithmetic_loops.h"

namespace monza::tool {

std::span<const ArithmeticLoop> arithmetic_loops() { return {}; }

}  // namespace monza::tool

#endif
