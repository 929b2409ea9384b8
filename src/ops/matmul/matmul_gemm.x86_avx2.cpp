#include "ops/matmul/matmul_gemm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel matmul_packed_avx2 =
    matmul_packed_kernel<gemm_avx2, &matmul_panels_8>("matmul_packed_avx2", kNeeds);
extern const Kernel matmul_both_avx2 = matmul_both_kernel<gemm_avx2>("matmul_both_avx2", kNeeds);

}  // namespace monza::ops
