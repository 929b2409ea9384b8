#include "ops/conv/conv_depthwise.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel conv_depthwise_avx512 = conv_depthwise_kernel("conv_depthwise_avx512", kNeeds, Port::channels_last);
extern const Kernel conv_depthwise_blocked_avx512 =
    conv_depthwise_kernel("conv_depthwise_blocked_avx512", kNeeds, Port::blocked16);

void depthwise_rows_avx512(const KernelContext& c, std::int64_t n, std::int64_t row0, std::int64_t rows,
                           float* to) noexcept {
  depthwise_rows(c, n, row0, rows, to);
}

}  // namespace monza::ops
