#include "ops/attention/attention.simd.h"

namespace monza::ops {

MONZA_ATTENTION(avx2, Isa::avx2)

}  // namespace monza::ops
