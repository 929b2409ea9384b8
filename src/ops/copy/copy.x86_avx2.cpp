#include "ops/copy/copy.simd.h"

namespace monza::ops {

extern const Kernel copy_avx2;
const Kernel copy_avx2{.name = "copy_avx2",
                       .op = "Copy",
                       .needs = Isa::avx2,
                       .in = {Port::strided},
                       .out = {Port::strided},
                       .accepts = accepts,
                       .run = run};

}  // namespace monza::ops
