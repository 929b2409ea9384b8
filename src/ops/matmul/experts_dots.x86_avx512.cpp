#include "ops/matmul/experts_dots.simd.h"

namespace monza::ops {

extern const Kernel experts_dots_avx512 = expert_dots_kernel("experts_dots_avx512", Isa::avx2 | Isa::avx512);

}  // namespace monza::ops
