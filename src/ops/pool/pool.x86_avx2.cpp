#include "ops/pool/pool.simd.h"

namespace monza::ops {

extern const Kernel max_pool_avx2, average_pool_avx2, max_pool_blocked_avx2, average_pool_blocked_avx2;
const Kernel max_pool_avx2{.name = "max_pool_avx2",
                           .op = "MaxPool",
                           .needs = Isa::avx2,
                           .in{Port::channels_last},
                           .out{Port::channels_last},
                           .accepts = accepts_max_pool,
                           .run = run_max_pool};
const Kernel average_pool_avx2{.name = "average_pool_avx2",
                               .op = "AveragePool",
                               .needs = Isa::avx2,
                               .in{Port::channels_last},
                               .out{Port::channels_last},
                               .accepts = accepts_average_pool,
                               .run = run_average_pool};
const Kernel max_pool_blocked_avx2{.name = "max_pool_blocked_avx2",
                                   .op = "MaxPool",
                                   .needs = Isa::avx2,
                                   .in{Port::blocked8},
                                   .out{Port::blocked8},
                                   .accepts = accepts_max_pool_blocked,
                                   .run = run_max_pool};
const Kernel average_pool_blocked_avx2{.name = "average_pool_blocked_avx2",
                                       .op = "AveragePool",
                                       .needs = Isa::avx2,
                                       .in{Port::blocked8},
                                       .out{Port::blocked8},
                                       .accepts = accepts_average_pool,
                                       .run = run_average_pool};

}  // namespace monza::ops
