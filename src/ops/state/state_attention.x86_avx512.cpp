#include "ops/state/state_attention.simd.h"

namespace monza::ops {

MONZA_STATE_ATTENTION(avx512, Isa::avx512)

}  // namespace monza::ops
