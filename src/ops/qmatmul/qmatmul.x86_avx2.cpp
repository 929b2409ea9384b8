#include "ops/qmatmul/qmatmul.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2;

extern const Kernel qmatmul_avx2 = qmatmul_kernel("qmatmul_avx2", kNeeds);
extern const Kernel matmul_integer_avx2 = matmul_integer_kernel("matmul_integer_avx2", kNeeds);

}  // namespace monza::ops
