#include "ops/quantize/quantize.simd.h"

namespace monza::ops {

extern const Kernel quantize_linear_avx512vnni, dequantize_linear_avx512vnni, dynamic_quantize_linear_avx512vnni,
    quantize_picture_avx512vnni, dynamic_quantize_picture_avx512vnni;
const Kernel quantize_linear_avx512vnni = make_quantize("quantize_linear_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel dequantize_linear_avx512vnni =
    make_dequantize("dequantize_linear_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel dynamic_quantize_linear_avx512vnni =
    make_dynamic_quantize("dynamic_quantize_linear_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel quantize_picture_avx512vnni =
    make_quantize_picture("quantize_picture_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel dynamic_quantize_picture_avx512vnni =
    make_dynamic_picture("dynamic_quantize_picture_avx512vnni", Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
