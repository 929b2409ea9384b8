#include "ops/elementwise/plain.simd.h"

namespace monza::ops {

constexpr Isa kPlainNeeds = Isa::avx2;

extern const Kernel equal_plain_avx2 =
    plain_kernel("equal_plain_avx2", "Equal", kPlainNeeds, accepts_compare, run_compare);
extern const Kernel less_plain_avx2 =
    plain_kernel("less_plain_avx2", "Less", kPlainNeeds, accepts_compare, run_compare);
extern const Kernel less_or_equal_plain_avx2 =
    plain_kernel("less_or_equal_plain_avx2", "LessOrEqual", kPlainNeeds, accepts_compare, run_compare);
extern const Kernel greater_plain_avx2 =
    plain_kernel("greater_plain_avx2", "Greater", kPlainNeeds, accepts_compare, run_compare);
extern const Kernel greater_or_equal_plain_avx2 =
    plain_kernel("greater_or_equal_plain_avx2", "GreaterOrEqual", kPlainNeeds, accepts_compare, run_compare);
extern const Kernel is_nan_plain_avx2 = plain_kernel("is_nan_plain_avx2", "IsNaN", kPlainNeeds, accepts_test, run_test);
extern const Kernel is_inf_plain_avx2 = plain_kernel("is_inf_plain_avx2", "IsInf", kPlainNeeds, accepts_test, run_test);
extern const Kernel and_plain_avx2 = plain_kernel("and_plain_avx2", "And", kPlainNeeds, accepts_logic, run_logic, 3);
extern const Kernel or_plain_avx2 = plain_kernel("or_plain_avx2", "Or", kPlainNeeds, accepts_logic, run_logic, 3);
extern const Kernel xor_plain_avx2 = plain_kernel("xor_plain_avx2", "Xor", kPlainNeeds, accepts_logic, run_logic, 3);
extern const Kernel not_plain_avx2 = plain_kernel("not_plain_avx2", "Not", kPlainNeeds, accepts_logic, run_not, 1);
extern const Kernel add_plain_avx2 =
    plain_kernel("add_plain_avx2", "Add", kPlainNeeds, accepts_arithmetic, run_arithmetic, 3);
extern const Kernel sub_plain_avx2 =
    plain_kernel("sub_plain_avx2", "Sub", kPlainNeeds, accepts_arithmetic, run_arithmetic, 3);
extern const Kernel mul_plain_avx2 =
    plain_kernel("mul_plain_avx2", "Mul", kPlainNeeds, accepts_arithmetic, run_arithmetic, 3);
extern const Kernel min_plain_avx2 =
    plain_kernel("min_plain_avx2", "Min", kPlainNeeds, accepts_arithmetic, run_arithmetic, 3);
extern const Kernel max_plain_avx2 =
    plain_kernel("max_plain_avx2", "Max", kPlainNeeds, accepts_arithmetic, run_arithmetic, 3);
extern const Kernel mod_plain_avx2 =
    plain_kernel("mod_plain_avx2", "Mod", kPlainNeeds, accepts_arithmetic, run_modulo, 3);
extern const Kernel where_plain_avx2 =
    plain_kernel("where_plain_avx2", "Where", kPlainNeeds, accepts_where, run_where, 6);
extern const Kernel cast_plain_avx2 = plain_kernel("cast_plain_avx2", "Cast", kPlainNeeds, accepts_cast, run_cast);

}  // namespace monza::ops
