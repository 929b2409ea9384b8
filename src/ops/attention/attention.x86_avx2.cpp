#include "ops/attention/attention.simd.h"

namespace monza::ops {

extern const Kernel attention_avx2 = attention_kernel<gemm_avx2>("attention_avx2", Isa::avx2);

}  // namespace monza::ops
