#include "ops/norm/norm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel layer_norm_avx2 = layer_norm_kernel("layer_norm_avx2", "LayerNormalization", kNeeds);
extern const Kernel rms_norm_avx2 = layer_norm_kernel("rms_norm_avx2", "RMSNormalization", kNeeds);
extern const Kernel group_norm_avx2 = group_norm_kernel("group_norm_avx2", "GroupNormalization", kNeeds);
extern const Kernel instance_norm_avx2 = group_norm_kernel("instance_norm_avx2", "InstanceNormalization", kNeeds);
extern const Kernel batch_norm_avx2 = batch_norm_kernel("batch_norm_avx2", kNeeds);
extern const Kernel lrn_pixels_avx2 = lrn_pixels_kernel("lrn_pixels_avx2", kNeeds);
extern const Kernel lrn_dense_avx2 = lrn_dense_kernel("lrn_dense_avx2", kNeeds);

}  // namespace monza::ops
