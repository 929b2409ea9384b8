#include "ops/qconv/qconv_dw.simd.h"

namespace monza::ops {

extern const Kernel qconv_dw_avx512vnni, conv_integer_dw_avx512vnni;
const Kernel qconv_dw_avx512vnni = make_qconv_dw("qconv_dw_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel conv_integer_dw_avx512vnni =
    make_conv_integer_dw("conv_integer_dw_avx512vnni", Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
