#include "ops/reduce/reduce.simd.h"

namespace monza::ops {

MONZA_REDUCE(avx2, Isa::avx2)

}  // namespace monza::ops
