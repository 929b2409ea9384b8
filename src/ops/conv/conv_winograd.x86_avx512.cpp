#include "ops/conv/conv_winograd.simd.h"

namespace monza::ops {

extern const Kernel conv_winograd_avx512 =
    conv_winograd_kernel<gemm_avx512>("conv_winograd_avx512", Isa::avx2 | Isa::avx512);

}  // namespace monza::ops
