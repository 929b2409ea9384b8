#include "ops/copy/copy.simd.h"

namespace monza::ops {

extern const Kernel copy_avx2 = copy_kernel("copy_avx2", Isa::avx2);

}  // namespace monza::ops
