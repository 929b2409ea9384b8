#include "ops/qconv/qconv_gemm.simd.h"

namespace monza::ops {

extern const Kernel qconv_gemm_avx2, conv_integer_gemm_avx2;
const Kernel qconv_gemm_avx2 = make_qconv("qconv_gemm_avx2", Isa::avx2);
const Kernel conv_integer_gemm_avx2 = make_conv_integer("conv_integer_gemm_avx2", Isa::avx2);

}  // namespace monza::ops
