#include "ops/qmatmul/qmatmul.simd.h"

namespace monza::ops {

constexpr Isa kNeeds = Isa::avx2 | Isa::avxvnni;

extern const Kernel qmatmul_avxvnni = qmatmul_kernel("qmatmul_avxvnni", kNeeds);
extern const Kernel matmul_integer_avxvnni = matmul_integer_kernel("matmul_integer_avxvnni", kNeeds);

}  // namespace monza::ops
