#include "ops/conv/conv_image.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel conv_image_avx512 = conv_image_kernel("conv_image_avx512", kNeeds, Port::channels_last);
extern const Kernel conv_image_blocked_avx512 = conv_image_kernel("conv_image_blocked_avx512", kNeeds, Port::blocked16);

}  // namespace monza::ops
