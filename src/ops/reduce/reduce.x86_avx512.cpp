#include "ops/reduce/reduce.simd.h"

namespace monza::ops {

MONZA_REDUCE(avx512, Isa::avx2 | Isa::avx512)

}  // namespace monza::ops
