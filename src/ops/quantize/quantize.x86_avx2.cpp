#include "ops/quantize/quantize.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel quantize_linear_avx2 = quantize_kernel("quantize_linear_avx2", kNeeds);
extern const Kernel dequantize_linear_avx2 = dequantize_kernel("dequantize_linear_avx2", kNeeds);
extern const Kernel dynamic_quantize_linear_avx2 = dynamic_quantize_kernel("dynamic_quantize_linear_avx2", kNeeds);
extern const Kernel quantize_picture_avx2 = quantize_picture_kernel("quantize_picture_avx2", kNeeds);
extern const Kernel dynamic_quantize_picture_avx2 =
    dynamic_quantize_picture_kernel("dynamic_quantize_picture_avx2", kNeeds);

}  // namespace monza::ops
