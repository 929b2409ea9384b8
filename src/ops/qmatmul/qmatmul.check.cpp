// What the kernels of this family rely on: inner extents that agree, and scales and zero points for all columns.
#include <cstddef>

#include "kernel/check_rules.h"
#include "ops/qmatmul/qmatmul.params.h"
#include "ops/shared/product.check.h"
#include "ops/shared/quantized.check.h"

namespace monza::ops {
namespace {

Refusal check_matmul_integer(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 4})) return r;
  MONZA_REQUIRE(is_8bit(c.in[0]) && is_8bit(c.in[1]) && c.out[0].dtype == DType::i32,
                "the element types do not fit the operator");
  ProductExtents e;
  if (const Refusal r = refuse_product(c.in[0].shape, c.in[1].shape, c.out[0].shape, false,
                                       c.params_as<QMatMulParams>().trans_b != 0, e))
    return r;
  for (int i : {2, 3})
    MONZA_REQUIRE(!c.has_input(i) || (is_8bit(c.in[i]) && per_column(c.in[i], i == 2 ? e.m : e.n)),
                  "there is not one zero point for each row or column");
  return nullptr;
}

Refusal check_qmatmul(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = QInput::count})) return r;
  MONZA_REQUIRE(c.has_input(QInput::w), "an input is missing");
  ProductExtents e;
  if (const Refusal r = refuse_product(c.in[QInput::x].shape, c.in[QInput::w].shape, c.out[0].shape, false,
                                       c.params_as<QMatMulParams>().trans_b != 0, e))
    return r;
  return refuse_quantized(c, e.n);
}

constexpr OperatorCheck kQmatmulChecks[] = {
    {"MatMulInteger", check_matmul_integer},
    {.op = "QMatMul", .check = check_qmatmul, .epilogue_at = offsetof(QMatMulParams, act)},
};

}  // namespace

extern const CheckList qmatmul_checks{kQmatmulChecks};

}  // namespace monza::ops
