#include "ops/resize/resize.simd.h"

namespace monza::ops {

extern const Kernel resize_avx2;
const Kernel resize_avx2{.name = "resize_avx2",
                         .op = "Resize",
                         .needs = Isa::avx2,
                         .in{Port::channels_last, Port::dense},
                         .out{Port::channels_last},
                         .accepts = accepts_resize,
                         .scratch_bytes = scratch_resize,
                         .run = run_resize};

}  // namespace monza::ops
