#include "ops/conv/conv_depthwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel conv_depthwise_avx512 = conv_depthwise_kernel("conv_depthwise_avx512", kNeeds, Port::channels_last);
extern const Kernel conv_depthwise_blocked_avx512 =
    conv_depthwise_kernel("conv_depthwise_blocked_avx512", kNeeds, Port::blocked16);

}  // namespace monza::ops
