#include "ops/conv/conv_depthwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel conv_depthwise_avx2 = conv_depthwise_kernel("conv_depthwise_avx2", kNeeds, Port::channels_last);
extern const Kernel conv_depthwise_blocked_avx2 =
    conv_depthwise_kernel("conv_depthwise_blocked_avx2", kNeeds, Port::blocked8);

void depthwise_rows_avx2(const KernelContext& c, std::int64_t n, std::int64_t row0, std::int64_t rows,
                         float* to) noexcept {
  depthwise_rows(c, n, row0, rows, to);
}

}  // namespace monza::ops
