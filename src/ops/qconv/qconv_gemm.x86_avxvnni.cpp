#include "ops/qconv/qconv_gemm.simd.h"

namespace monza::ops {

extern const Kernel qconv_gemm_avxvnni, conv_integer_gemm_avxvnni;
const Kernel qconv_gemm_avxvnni = make_qconv("qconv_gemm_avxvnni", Isa::avx2 | Isa::avxvnni);
const Kernel conv_integer_gemm_avxvnni = make_conv_integer("conv_integer_gemm_avxvnni", Isa::avx2 | Isa::avxvnni);

}  // namespace monza::ops
