#include "ops/softmax/softmax.simd.h"

namespace monza::ops {

MONZA_SOFTMAX(avx512, Isa::avx2 | Isa::avx512)

}  // namespace monza::ops
