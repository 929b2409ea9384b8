#include "ops/sepconv/sepconv.simd.h"

namespace monza::ops {

extern const Kernel sepconv_avx512 = sepconv_kernel("sepconv_avx512", Isa::avx2 | Isa::avx512);

}  // namespace monza::ops
