#include "ops/pool/pool.simd.h"

namespace monza::ops {

extern const Kernel max_pool_avx512, average_pool_avx512, max_pool_blocked_avx512, average_pool_blocked_avx512;
const Kernel max_pool_avx512{.name = "max_pool_avx512",
                             .op = "MaxPool",
                             .needs = Isa::avx512,
                             .in{Port::channels_last},
                             .out{Port::channels_last},
                             .accepts = accepts_max_pool,
                             .run = run_max_pool};
const Kernel average_pool_avx512{.name = "average_pool_avx512",
                                 .op = "AveragePool",
                                 .needs = Isa::avx512,
                                 .in{Port::channels_last},
                                 .out{Port::channels_last},
                                 .accepts = accepts_average_pool,
                                 .run = run_average_pool};
const Kernel max_pool_blocked_avx512{.name = "max_pool_blocked_avx512",
                                     .op = "MaxPool",
                                     .needs = Isa::avx512,
                                     .in{Port::blocked16},
                                     .out{Port::blocked16},
                                     .accepts = accepts_max_pool_blocked,
                                     .run = run_max_pool};
const Kernel average_pool_blocked_avx512{.name = "average_pool_blocked_avx512",
                                         .op = "AveragePool",
                                         .needs = Isa::avx512,
                                         .in{Port::blocked16},
                                         .out{Port::blocked16},
                                         .accepts = accepts_average_pool,
                                         .run = run_average_pool};

}  // namespace monza::ops
