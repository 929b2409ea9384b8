#include "ops/reduce/reduce.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel reduce_sum_avx2 = reduce_kernel("reduce_sum_avx2", "ReduceSum", kNeeds);
extern const Kernel reduce_mean_avx2 = reduce_kernel("reduce_mean_avx2", "ReduceMean", kNeeds);
extern const Kernel reduce_max_avx2 = reduce_kernel("reduce_max_avx2", "ReduceMax", kNeeds);
extern const Kernel reduce_min_avx2 = reduce_kernel("reduce_min_avx2", "ReduceMin", kNeeds);
extern const Kernel reduce_l1_avx2 = reduce_kernel("reduce_l1_avx2", "ReduceL1", kNeeds);
extern const Kernel reduce_l2_avx2 = reduce_kernel("reduce_l2_avx2", "ReduceL2", kNeeds);
extern const Kernel reduce_sum_square_avx2 = reduce_kernel("reduce_sum_square_avx2", "ReduceSumSquare", kNeeds);
extern const Kernel reduce_prod_avx2 = reduce_kernel("reduce_prod_avx2", "ReduceProd", kNeeds);
extern const Kernel reduce_log_sum_avx2 = reduce_kernel("reduce_log_sum_avx2", "ReduceLogSum", kNeeds);
extern const Kernel reduce_log_sum_exp_avx2 = log_sum_exp_kernel("reduce_log_sum_exp_avx2", kNeeds);

}  // namespace monza::ops
