#include "ops/state/state_attention.simd.h"

namespace monza::ops {

extern const Kernel state_attention_avx2 = state_attention_kernel<gemm_avx2>("state_attention_avx2", Isa::avx2);

}  // namespace monza::ops
