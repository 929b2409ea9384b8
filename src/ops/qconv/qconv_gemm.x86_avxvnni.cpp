#include "ops/qconv/qconv_gemm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avxvnni;

extern const Kernel qconv_gemm_avxvnni = qconv_gemm_kernel("qconv_gemm_avxvnni", kNeeds);
extern const Kernel conv_integer_gemm_avxvnni = conv_integer_gemm_kernel("conv_integer_gemm_avxvnni", kNeeds);

}  // namespace monza::ops
