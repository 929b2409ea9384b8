#include "ops/qconv/qconv_gemm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx512 | Isa::avx512vnni;

extern const Kernel qconv_gemm_avx512vnni = qconv_gemm_kernel("qconv_gemm_avx512vnni", kNeeds);
extern const Kernel conv_integer_gemm_avx512vnni = conv_integer_gemm_kernel("conv_integer_gemm_avx512vnni", kNeeds);

}  // namespace monza::ops
