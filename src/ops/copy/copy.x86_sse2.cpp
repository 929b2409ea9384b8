#include "ops/copy/copy.simd.h"

namespace monza::ops {

extern const Kernel copy_sse2 = copy_kernel("copy_sse2", Isa::none);

}  // namespace monza::ops
