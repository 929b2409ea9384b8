#include "ops/softmax/softmax.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avx512;

extern const Kernel softmax_rows_avx512 = softmax_rows_kernel("softmax_rows_avx512", "Softmax", kNeeds);
extern const Kernel softmax_dense_avx512 = softmax_dense_kernel("softmax_dense_avx512", "Softmax", kNeeds);
extern const Kernel log_softmax_rows_avx512 = softmax_rows_kernel("log_softmax_rows_avx512", "LogSoftmax", kNeeds);
extern const Kernel log_softmax_dense_avx512 = softmax_dense_kernel("log_softmax_dense_avx512", "LogSoftmax", kNeeds);

}  // namespace monza::ops
