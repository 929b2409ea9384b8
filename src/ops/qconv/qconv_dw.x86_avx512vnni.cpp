#include "ops/qconv/qconv_dw.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx512 | Isa::avx512vnni;

extern const Kernel qconv_dw_avx512vnni = qconv_dw_kernel("qconv_dw_avx512vnni", kNeeds);
extern const Kernel conv_integer_dw_avx512vnni = conv_integer_dw_kernel("conv_integer_dw_avx512vnni", kNeeds);

}  // namespace monza::ops
