#include "ops/reduce/reduce.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel reduce_sum_avx512 = reduce_kernel("reduce_sum_avx512", "ReduceSum", kNeeds);
extern const Kernel reduce_mean_avx512 = reduce_kernel("reduce_mean_avx512", "ReduceMean", kNeeds);
extern const Kernel reduce_max_avx512 = reduce_kernel("reduce_max_avx512", "ReduceMax", kNeeds);
extern const Kernel reduce_min_avx512 = reduce_kernel("reduce_min_avx512", "ReduceMin", kNeeds);
extern const Kernel reduce_l1_avx512 = reduce_kernel("reduce_l1_avx512", "ReduceL1", kNeeds);
extern const Kernel reduce_l2_avx512 = reduce_kernel("reduce_l2_avx512", "ReduceL2", kNeeds);
extern const Kernel reduce_sum_square_avx512 = reduce_kernel("reduce_sum_square_avx512", "ReduceSumSquare", kNeeds);
extern const Kernel reduce_prod_avx512 = reduce_kernel("reduce_prod_avx512", "ReduceProd", kNeeds);
extern const Kernel reduce_log_sum_avx512 = reduce_kernel("reduce_log_sum_avx512", "ReduceLogSum", kNeeds);
extern const Kernel reduce_log_sum_exp_avx512 = log_sum_exp_kernel("reduce_log_sum_exp_avx512", kNeeds);

}  // namespace monza::ops
