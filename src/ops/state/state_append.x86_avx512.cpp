#include "ops/state/state_append.simd.h"

namespace monza::ops {

extern const Kernel state_append_avx512 = state_append_kernel("state_append_avx512", Isa::avx512);

}  // namespace monza::ops
