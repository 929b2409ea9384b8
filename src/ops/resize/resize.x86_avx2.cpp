#include "ops/resize/resize.simd.h"

namespace monza::ops {

extern const Kernel resize_avx2 = resize_kernel("resize_avx2", Isa::avx2);

}  // namespace monza::ops
