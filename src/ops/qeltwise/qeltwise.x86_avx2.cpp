#include "ops/qeltwise/qeltwise.simd.h"

namespace monza::ops {

extern const Kernel qadd_avx2, qglobal_average_pool_avx2;
const Kernel qadd_avx2 = make_qadd("qadd_avx2", Isa::avx2);
const Kernel qglobal_average_pool_avx2 = make_qpool("qglobal_average_pool_avx2", Isa::avx2);

}  // namespace monza::ops
