#include "ops/pool/pool.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel max_pool_avx2 = max_pool_kernel("max_pool_avx2", kNeeds, Port::channels_last);
extern const Kernel average_pool_avx2 = average_pool_kernel("average_pool_avx2", kNeeds, Port::channels_last);
extern const Kernel max_pool_blocked_avx2 = max_pool_kernel("max_pool_blocked_avx2", kNeeds, Port::blocked8);
extern const Kernel average_pool_blocked_avx2 =
    average_pool_kernel("average_pool_blocked_avx2", kNeeds, Port::blocked8);

}  // namespace monza::ops
