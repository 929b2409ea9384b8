#include "ops/sepconv/sepconv.simd.h"

namespace monza::ops {

extern const Kernel sepconv_avx512 =
    sepconv_kernel<depthwise_rows_avx512, direct_from_strips_avx512>("sepconv_avx512", Isa::avx2 | Isa::avx512);

}  // namespace monza::ops
