#include "ops/copy/copy.simd.h"

namespace monza::ops {

extern const Kernel copy_sse2;
const Kernel copy_sse2{
    .name = "copy_sse2", .op = "Copy", .in = {Port::strided}, .out = {Port::strided}, .accepts = accepts, .run = run};

}  // namespace monza::ops
