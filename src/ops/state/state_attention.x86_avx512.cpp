#include "ops/state/state_attention.simd.h"

namespace monza::ops {

extern const Kernel state_attention_avx512 = state_attention_kernel<gemm_avx512>("state_attention_avx512", Isa::avx512);

}  // namespace monza::ops
