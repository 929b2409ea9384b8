#include "ops/qconv/qconv_gemm.simd.h"

namespace monza::ops {

extern const Kernel qconv_gemm_avx512vnni, conv_integer_gemm_avx512vnni;
const Kernel qconv_gemm_avx512vnni = make_qconv("qconv_gemm_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel conv_integer_gemm_avx512vnni =
    make_conv_integer("conv_integer_gemm_avx512vnni", Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
