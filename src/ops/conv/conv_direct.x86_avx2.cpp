#include "ops/conv/conv_direct.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel conv_direct_avx2 = conv_direct_kernel("conv_direct_avx2", kNeeds, Port::channels_last);
extern const Kernel conv_blocked_avx2 = conv_direct_kernel("conv_blocked_avx2", kNeeds, Port::blocked8);

void direct_from_strips_avx2(const KernelContext& c, const StripSource& source) noexcept { run_direct(c, &source); }

}  // namespace monza::ops
