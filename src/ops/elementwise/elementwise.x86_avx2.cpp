#include "ops/elementwise/elementwise.simd.h"

namespace monza::ops {

MONZA_POINTWISE(avx2, Isa::avx2)

}  // namespace monza::ops
