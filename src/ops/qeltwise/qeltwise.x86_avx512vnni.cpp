#include "ops/qeltwise/qeltwise.simd.h"

namespace monza::ops {

extern const Kernel qadd_avx512vnni, qglobal_average_pool_avx512vnni;
const Kernel qadd_avx512vnni = make_qadd("qadd_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel qglobal_average_pool_avx512vnni =
    make_qpool("qglobal_average_pool_avx512vnni", Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
