#include "ops/sepconv/sepconv.simd.h"

namespace monza::ops {

extern const Kernel sepconv_avx2 = sepconv_kernel("sepconv_avx2", Isa::avx2);

}  // namespace monza::ops
