#include "ops/reduce/arg.simd.h"
#include "ops/reduce/cumulative.simd.h"

namespace monza::ops {

constexpr Isa kScanNeeds = Isa::avx2;

extern const Kernel arg_max_avx2 = arg_kernel("arg_max_avx2", "ArgMax", kScanNeeds);
extern const Kernel arg_min_avx2 = arg_kernel("arg_min_avx2", "ArgMin", kScanNeeds);
extern const Kernel cum_sum_avx2 = cum_sum_kernel("cum_sum_avx2", kScanNeeds);

}  // namespace monza::ops
