#include "ops/elementwise/elementwise.simd.h"

namespace monza::ops {

MONZA_POINTWISE(avx512, Isa::avx2 | Isa::avx512)

}  // namespace monza::ops
