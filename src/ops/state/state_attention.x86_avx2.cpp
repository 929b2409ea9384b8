#include "ops/state/state_attention.simd.h"

namespace monza::ops {

MONZA_STATE_ATTENTION(avx2, Isa::avx2)

}  // namespace monza::ops
