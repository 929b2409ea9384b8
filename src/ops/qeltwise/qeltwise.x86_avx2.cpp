#include "ops/qeltwise/qeltwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel qadd_avx2 = qadd_kernel("qadd_avx2", kNeeds);
extern const Kernel qglobal_average_pool_avx2 = qglobal_average_pool_kernel("qglobal_average_pool_avx2", kNeeds);

}  // namespace monza::ops
