#include "ops/norm/norm.simd.h"

namespace monza::ops {

MONZA_NORM(avx2, Isa::avx2)

}  // namespace monza::ops
