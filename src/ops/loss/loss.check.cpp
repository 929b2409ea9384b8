// What the kernels of this family rely on: a target for each position of the input, a weight for each class.
#include "kernel/check_rules.h"
#include "ops/loss/loss.params.h"

namespace monza::ops {
namespace {

Refusal check_nll(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  const TensorView &x = c.in[0], &target = c.in[1], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype && integral(target), "the element types do not fit the operator");
  MONZA_REQUIRE(x.shape.rank >= 2 && target.shape.rank == x.shape.rank - 1, "input and target do not fit each other");
  for (int a = 0; a < target.shape.rank; ++a)
    MONZA_REQUIRE(target.shape[a] == x.shape[a == 0 ? 0 : a + 1], "input and target do not fit each other");
  if (c.has_input(2))
    MONZA_REQUIRE(c.in[2].dtype == x.dtype && vector_of(c.in[2], x.shape[1]), "there is not one weight for each class");
  if (c.params_as<NllParams>().reduction == NllParams::Reduction::none)
    MONZA_REQUIRE(out.shape == target.shape, "target and output differ in shape");
  else MONZA_REQUIRE(one_element(out), "the output is not one number");
  return nullptr;
}

constexpr OperatorCheck kLossChecks[] = {
    {"NegativeLogLikelihoodLoss", check_nll},
};

}  // namespace

extern const CheckList loss_checks{kLossChecks};

}  // namespace monza::ops
