#include "ops/matmul/matmul_gemm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel matmul_packed_avx512 =
    matmul_packed_kernel<gemm_avx512, &matmul_panels_16>("matmul_packed_avx512", kNeeds);
extern const Kernel matmul_both_avx512 = matmul_both_kernel<gemm_avx512>("matmul_both_avx512", kNeeds);

}  // namespace monza::ops
