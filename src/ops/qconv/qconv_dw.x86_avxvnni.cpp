#include "ops/qconv/qconv_dw.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avxvnni;

extern const Kernel qconv_dw_avxvnni = qconv_dw_kernel("qconv_dw_avxvnni", kNeeds);
extern const Kernel conv_integer_dw_avxvnni = conv_integer_dw_kernel("conv_integer_dw_avxvnni", kNeeds);

}  // namespace monza::ops
