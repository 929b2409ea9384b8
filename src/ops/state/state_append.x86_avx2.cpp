#include "ops/state/state_append.simd.h"

namespace monza::ops {

extern const Kernel state_append_avx2 = state_append_kernel("state_append_avx2", Isa::avx2);

}  // namespace monza::ops
