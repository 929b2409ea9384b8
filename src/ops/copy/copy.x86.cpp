#include "ops/copy/copy.simd.h"

namespace monza::ops {

extern const Kernel copy_x86;
const Kernel copy_x86{
    .name = "copy_x86", .op = "Copy", .in = {Port::strided}, .out = {Port::strided}, .accepts = accepts, .run = run};

}  // namespace monza::ops
