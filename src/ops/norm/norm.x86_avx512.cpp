#include "ops/norm/norm.simd.h"

namespace monza::ops {

MONZA_NORM(avx512, Isa::avx2 | Isa::avx512)

}  // namespace monza::ops
