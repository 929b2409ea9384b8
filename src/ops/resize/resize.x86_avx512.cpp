#include "ops/resize/resize.simd.h"

namespace monza::ops {

extern const Kernel resize_avx512 = resize_kernel("resize_avx512", Isa::avx512);

}  // namespace monza::ops
