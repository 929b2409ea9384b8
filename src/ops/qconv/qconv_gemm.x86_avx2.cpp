#include "ops/qconv/qconv_gemm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel qconv_gemm_avx2 = qconv_gemm_kernel("qconv_gemm_avx2", kNeeds);
extern const Kernel conv_integer_gemm_avx2 = conv_integer_gemm_kernel("conv_integer_gemm_avx2", kNeeds);

}  // namespace monza::ops
