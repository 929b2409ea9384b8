#include "ops/matmul/matmul_gemm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512 | Isa::avx512bf16;
constexpr Arithmetic kBf16{Precision::bf16, DType::f32};

extern const Kernel matmul_packed_avx512bf16 =
    matmul_packed_kernel<gemm_avx512bf16, nullptr>("matmul_packed_avx512bf16", kNeeds, kBf16);
extern const Kernel matmul_both_avx512bf16 =
    matmul_both_kernel<gemm_avx512bf16>("matmul_both_avx512bf16", kNeeds, kBf16);

}  // namespace monza::ops
