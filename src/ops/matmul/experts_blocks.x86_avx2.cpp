#include "ops/matmul/experts_blocks.simd.h"

namespace monza::ops {

extern const Kernel experts_blocks_avx2 = expert_blocks_kernel("experts_blocks_avx2", Isa::avx2);

}  // namespace monza::ops
