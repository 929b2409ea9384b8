#include "ops/matmul/experts_blocks.simd.h"

namespace monza::ops {

extern const Kernel experts_blocks_avx512vnni =
    expert_blocks_kernel("experts_blocks_avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
