#include "ops/qmatmul/qmatmul.simd.h"

namespace monza::ops {

extern const Kernel qmatmul_avx2, matmul_integer_avx2;
const Kernel qmatmul_avx2 = make_qmatmul("qmatmul_avx2", Isa::avx2);
const Kernel matmul_integer_avx2 = make_matmul_integer("matmul_integer_avx2", Isa::avx2);

}  // namespace monza::ops
