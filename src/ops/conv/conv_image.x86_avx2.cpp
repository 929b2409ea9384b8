#include "ops/conv/conv_image.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel conv_image_avx2 = conv_image_kernel("conv_image_avx2", kNeeds, Port::channels_last);
extern const Kernel conv_image_blocked_avx2 = conv_image_kernel("conv_image_blocked_avx2", kNeeds, Port::blocked8);

}  // namespace monza::ops
