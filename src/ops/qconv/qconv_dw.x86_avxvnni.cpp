#include "ops/qconv/qconv_dw.simd.h"

namespace monza::ops {

extern const Kernel qconv_dw_avxvnni, conv_integer_dw_avxvnni;
const Kernel qconv_dw_avxvnni = make_qconv_dw("qconv_dw_avxvnni", Isa::avx2 | Isa::avxvnni);
const Kernel conv_integer_dw_avxvnni = make_conv_integer_dw("conv_integer_dw_avxvnni", Isa::avx2 | Isa::avxvnni);

}  // namespace monza::ops
