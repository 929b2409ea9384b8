#include "ops/qmatmul/qmatmul.simd.h"

namespace monza::ops {

extern const Kernel qmatmul_avxvnni, matmul_integer_avxvnni;
const Kernel qmatmul_avxvnni = make_qmatmul("qmatmul_avxvnni", Isa::avx2 | Isa::avxvnni);
const Kernel matmul_integer_avxvnni = make_matmul_integer("matmul_integer_avxvnni", Isa::avx2 | Isa::avxvnni);

}  // namespace monza::ops
