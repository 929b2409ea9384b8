#include "ops/norm/norm.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel layer_norm_avx512 = layer_norm_kernel("layer_norm_avx512", "LayerNormalization", kNeeds);
extern const Kernel rms_norm_avx512 = layer_norm_kernel("rms_norm_avx512", "RMSNormalization", kNeeds);
extern const Kernel group_norm_avx512 = group_norm_kernel("group_norm_avx512", "GroupNormalization", kNeeds);
extern const Kernel instance_norm_avx512 = group_norm_kernel("instance_norm_avx512", "InstanceNormalization", kNeeds);
extern const Kernel batch_norm_avx512 = batch_norm_kernel("batch_norm_avx512", kNeeds);
extern const Kernel lrn_pixels_avx512 = lrn_pixels_kernel("lrn_pixels_avx512", kNeeds);
extern const Kernel lrn_dense_avx512 = lrn_dense_kernel("lrn_dense_avx512", kNeeds);

}  // namespace monza::ops
