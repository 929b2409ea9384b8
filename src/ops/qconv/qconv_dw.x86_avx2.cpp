#include "ops/qconv/qconv_dw.simd.h"

namespace monza::ops {

extern const Kernel qconv_dw_avx2, conv_integer_dw_avx2;
const Kernel qconv_dw_avx2 = make_qconv_dw("qconv_dw_avx2", Isa::avx2);
const Kernel conv_integer_dw_avx2 = make_conv_integer_dw("conv_integer_dw_avx2", Isa::avx2);

}  // namespace monza::ops
