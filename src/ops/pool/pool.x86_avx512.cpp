#include "ops/pool/pool.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx512;

extern const Kernel max_pool_avx512 = max_pool_kernel("max_pool_avx512", kNeeds, Port::channels_last);
extern const Kernel average_pool_avx512 = average_pool_kernel("average_pool_avx512", kNeeds, Port::channels_last);
extern const Kernel max_pool_blocked_avx512 = max_pool_kernel("max_pool_blocked_avx512", kNeeds, Port::blocked16);
extern const Kernel average_pool_blocked_avx512 =
    average_pool_kernel("average_pool_blocked_avx512", kNeeds, Port::blocked16);

}  // namespace monza::ops
