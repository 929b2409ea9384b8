#include "ops/attention/attention.simd.h"

namespace monza::ops {

MONZA_ATTENTION(avx512, Isa::avx2 | Isa::avx512)

}  // namespace monza::ops
