// What the kernels of this family rely on: operands of one shape, and one scale and zero point for each.
#include "kernel/check_rules.h"
#include "ops/qeltwise/qeltwise.params.h"
#include "ops/shared/quantized.check.h"

namespace monza::ops {
namespace {

/// Inputs `i` and `i + 1` are a scale and, if it is there, a zero point.
bool scaled(const CheckContext& c, int i) {
  return c.has_input(i) && is_scale(c.in[i]) && one_element(c.in[i]) &&
         (!c.has_input(i + 1) || (is_8bit(c.in[i + 1]) && one_element(c.in[i + 1])));
}

Refusal check_add(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 8})) return r;
  MONZA_REQUIRE(c.has_input(3) && is_8bit(c.in[0]) && is_8bit(c.in[3]) && is_8bit(c.out[0]),
                "the element types do not fit the operator");
  MONZA_REQUIRE(scaled(c, 1) && scaled(c, 4) && scaled(c, 6), "a scale or zero point is not one number");
  MONZA_REQUIRE(c.in[0].shape == c.out[0].shape && c.in[3].shape == c.out[0].shape,
                "inputs and output differ in shape");
  return nullptr;
}

Refusal check_pool(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 5})) return r;
  MONZA_REQUIRE(is_8bit(c.in[0]) && is_8bit(c.out[0]), "the element types do not fit the operator");
  MONZA_REQUIRE(scaled(c, 1) && scaled(c, 3), "a scale or zero point is not one number");
  const Shape &x = c.in[0].shape, &y = c.out[0].shape;
  MONZA_REQUIRE(x.rank >= 2 && y.rank == x.rank && y[0] == x[0] && y[1] == x[1],
                "input and output do not fit each other");
  for (int a = 2; a < y.rank; ++a) MONZA_REQUIRE(y[a] == 1, "input and output do not fit each other");
  return nullptr;
}

constexpr OperatorCheck kQeltwiseChecks[] = {
    {"QAdd", check_add},
    {"QGlobalAveragePool", check_pool},
};

}  // namespace

extern const CheckList qeltwise_checks{kQeltwiseChecks};

}  // namespace monza::ops
