#include "ops/quantize/quantize.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx512 | Isa::avx512vnni;

extern const Kernel quantize_linear_avx512vnni = quantize_kernel("quantize_linear_avx512vnni", kNeeds);
extern const Kernel dequantize_linear_avx512vnni = dequantize_kernel("dequantize_linear_avx512vnni", kNeeds);
extern const Kernel dynamic_quantize_linear_avx512vnni =
    dynamic_quantize_kernel("dynamic_quantize_linear_avx512vnni", kNeeds);
extern const Kernel quantize_picture_avx512vnni = quantize_picture_kernel("quantize_picture_avx512vnni", kNeeds);
extern const Kernel dynamic_quantize_picture_avx512vnni =
    dynamic_quantize_picture_kernel("dynamic_quantize_picture_avx512vnni", kNeeds);

}  // namespace monza::ops
