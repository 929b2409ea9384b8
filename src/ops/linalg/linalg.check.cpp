// What the kernels of this family rely on: square matrices, and an output element for each.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

Refusal check_det(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype, "the element types do not fit the operator");
  const int rank = x.shape.rank;
  MONZA_REQUIRE(rank >= 2 && x.shape[rank - 1] == x.shape[rank - 2], "the input holds no square matrices");
  MONZA_REQUIRE(x.shape[rank - 1] < 1 << 20, "the matrices are too large");
  Shape batch = x.shape;
  batch.rank -= 2;
  MONZA_REQUIRE(out.shape == batch, "the output has not one element for each matrix");
  return nullptr;
}

constexpr OperatorCheck kLinalgChecks[] = {
    {"Det", check_det},
};

}  // namespace

extern const CheckList linalg_checks{kLinalgChecks};

}  // namespace monza::ops
