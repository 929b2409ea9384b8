#include "ops/quantize/quantize.simd.h"

namespace monza::ops {

extern const Kernel quantize_linear_avx2, dequantize_linear_avx2, dynamic_quantize_linear_avx2, quantize_picture_avx2,
    dynamic_quantize_picture_avx2;
const Kernel quantize_linear_avx2 = make_quantize("quantize_linear_avx2", Isa::avx2);
const Kernel dequantize_linear_avx2 = make_dequantize("dequantize_linear_avx2", Isa::avx2);
const Kernel dynamic_quantize_linear_avx2 = make_dynamic_quantize("dynamic_quantize_linear_avx2", Isa::avx2);
const Kernel quantize_picture_avx2 = make_quantize_picture("quantize_picture_avx2", Isa::avx2);
const Kernel dynamic_quantize_picture_avx2 = make_dynamic_picture("dynamic_quantize_picture_avx2", Isa::avx2);

}  // namespace monza::ops
