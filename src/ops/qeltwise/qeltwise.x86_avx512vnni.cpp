#include "ops/qeltwise/qeltwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx512 | Isa::avx512vnni;

extern const Kernel qadd_avx512vnni = qadd_kernel("qadd_avx512vnni", kNeeds);
extern const Kernel qglobal_average_pool_avx512vnni =
    qglobal_average_pool_kernel("qglobal_average_pool_avx512vnni", kNeeds);

}  // namespace monza::ops
