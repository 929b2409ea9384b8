#include "ops/qmatmul/qmatmul.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx512 | Isa::avx512vnni;

extern const Kernel qmatmul_avx512vnni = qmatmul_kernel("qmatmul_avx512vnni", kNeeds);
extern const Kernel matmul_integer_avx512vnni = matmul_integer_kernel("matmul_integer_avx512vnni", kNeeds);

}  // namespace monza::ops
