#include "ops/matmul/matmul_blocks.simd.h"

namespace monza::ops {

extern const Kernel matmul_blocks_avx512vnni =
    matmul_blocks_kernel("matmul_blocks_avx512vnni", Isa::avx2 | Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
