#include "ops/matmul/matmul_blocks.simd.h"

namespace monza::ops {

extern const Kernel matmul_blocks_avx2 = matmul_blocks_kernel("matmul_blocks_avx2", Isa::avx2);

}  // namespace monza::ops
