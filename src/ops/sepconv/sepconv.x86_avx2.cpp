#include "ops/sepconv/sepconv.simd.h"

namespace monza::ops {

extern const Kernel sepconv_avx2 =
    sepconv_kernel<depthwise_rows_avx2, direct_from_strips_avx2>("sepconv_avx2", Isa::avx2);

}  // namespace monza::ops
