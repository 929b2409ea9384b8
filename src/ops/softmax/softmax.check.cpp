// What the kernels of this family rely on: the axes lie within the rank, and the output is as the input.
#include "kernel/check_rules.h"
#include "ops/softmax/softmax.params.h"

namespace monza::ops {
namespace {

Refusal check(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const auto& p = c.params_as<SoftmaxParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype, "the element types do not fit the operator");
  MONZA_REQUIRE(x.shape == out.shape, "input and output differ in shape");
  MONZA_REQUIRE(p.axis >= 0 && p.axis <= p.end && p.end <= x.shape.rank, "an axis lies outside the rank");
  return nullptr;
}

constexpr OperatorCheck kSoftmaxChecks[] = {
    {"Softmax", check},
    {"LogSoftmax", check},
    {"Hardmax", check},
};

}  // namespace

extern const CheckList softmax_checks{kSoftmaxChecks};

}  // namespace monza::ops
