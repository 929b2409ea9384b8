#include "ops/conv/conv_gemm.simd.h"

namespace monza::ops {

extern const Kernel conv_gemm_avx512 =
    conv_gemm_kernel<gemm_avx512>("conv_gemm_avx512", Isa::avx2 | Isa::avx512, kPanelPacking);

}  // namespace monza::ops
