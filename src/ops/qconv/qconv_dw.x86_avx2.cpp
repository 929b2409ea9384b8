#include "ops/qconv/qconv_dw.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel qconv_dw_avx2 = qconv_dw_kernel("qconv_dw_avx2", kNeeds);
extern const Kernel conv_integer_dw_avx2 = conv_integer_dw_kernel("conv_integer_dw_avx2", kNeeds);

}  // namespace monza::ops
