#include "ops/conv/conv_direct.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel conv_direct_avx512 = conv_direct_kernel("conv_direct_avx512", kNeeds, Port::channels_last);
extern const Kernel conv_blocked_avx512 = conv_direct_kernel("conv_blocked_avx512", kNeeds, Port::blocked16);

void direct_from_strips_avx512(const KernelContext& c, const StripSource& source) noexcept { run_direct(c, &source); }

}  // namespace monza::ops
