#include "ops/resize/resize.simd.h"

namespace monza::ops {

extern const Kernel resize_avx512;
const Kernel resize_avx512{.name = "resize_avx512",
                           .op = "Resize",
                           .needs = Isa::avx512,
                           .in{Port::channels_last, Port::dense},
                           .out{Port::channels_last},
                           .accepts = accepts_resize,
                           .scratch_bytes = scratch_resize,
                           .run = run_resize};

}  // namespace monza::ops
