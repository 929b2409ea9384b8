#include "ops/softmax/softmax.simd.h"

namespace monza::ops {

MONZA_SOFTMAX(avx2, Isa::avx2)

}  // namespace monza::ops
