#include "ops/qmatmul/qmatmul.simd.h"

namespace monza::ops {

extern const Kernel qmatmul_avx512vnni, matmul_integer_avx512vnni;
const Kernel qmatmul_avx512vnni = make_qmatmul("qmatmul_avx512vnni", Isa::avx512 | Isa::avx512vnni);
const Kernel matmul_integer_avx512vnni =
    make_matmul_integer("matmul_integer_avx512vnni", Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
