#include "ops/matmul/experts_dots.simd.h"

namespace monza::ops {

extern const Kernel experts_dots_avx2 = expert_dots_kernel("experts_dots_avx2", Isa::avx2);

}  // namespace monza::ops
