#include "ops/matmul/gemm.simd.h"
#include "ops/matmul/gemm_pack.simd.h"

namespace monza::ops {

const GemmTable gemm_avx512{Vec::kWidth, gemm_step, pack_b};

}  // namespace monza::ops
