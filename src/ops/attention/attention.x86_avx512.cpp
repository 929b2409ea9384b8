#include "ops/attention/attention.simd.h"

namespace monza::ops {

extern const Kernel attention_avx512 = attention_kernel<gemm_avx512>("attention_avx512", Isa::avx2 | Isa::avx512);

}  // namespace monza::ops
