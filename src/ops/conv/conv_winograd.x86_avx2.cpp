#include "ops/conv/conv_winograd.simd.h"

namespace monza::ops {

extern const Kernel conv_winograd_avx2 = conv_winograd_kernel<gemm_avx2>("conv_winograd_avx2", Isa::avx2);

}  // namespace monza::ops
