#include "ops/move/blocks.simd.h"

namespace monza::ops {

extern const Kernel depth_to_space_avx2 =
    blocks_kernel("depth_to_space_avx2", "DepthToSpace", Isa::avx2, run_depth_to_space);
extern const Kernel space_to_depth_avx2 =
    blocks_kernel("space_to_depth_avx2", "SpaceToDepth", Isa::avx2, run_space_to_depth);

}  // namespace monza::ops
