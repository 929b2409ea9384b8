#include "ops/conv/conv_gemm.simd.h"

namespace monza::ops {

extern const Kernel conv_gemm_avx2 = conv_gemm_kernel<gemm_avx2>("conv_gemm_avx2", Isa::avx2, kPanelPacking);

}  // namespace monza::ops
