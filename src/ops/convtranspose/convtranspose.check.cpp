// What the kernels of this family rely on: channels, filters and groups that fit each other.
#include "kernel/check_rules.h"
#include "ops/conv/conv.check.h"
#include "ops/convtranspose/convtranspose.params.h"

namespace monza::ops {
namespace {

Refusal check_convtranspose(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  const auto& p = c.params_as<ConvTransposeParams>();
  if (const Refusal r = refuse_conv_params(p)) return r;
  const Shape &x = c.in[0].shape, &w = c.in[1].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.in[1].dtype == c.in[0].dtype && c.out[0].dtype == c.in[0].dtype &&
                    (!c.has_input(2) || c.in[2].dtype == c.in[0].dtype),
                "the element types do not fit the operator");
  MONZA_REQUIRE(x.rank == p.spatial + 2 && w.rank == x.rank && out.rank == x.rank,
                "input, weight and output differ in rank");
  MONZA_REQUIRE(x[0] == out[0] && x[1] == w[0] && out[1] == w[1] * p.group && x[1] % p.group == 0,
                "channels or filters of input, weight and output do not fit each other");
  for (int i = 2; i < x.rank; ++i)
    MONZA_REQUIRE(sane(x[i]) && sane(w[i]) && sane(out[i]), "a spatial extent is out of range");
  MONZA_REQUIRE(!c.has_input(2) || vector_of(c.in[2], out[1]), "there is not one bias for each filter");
  return nullptr;
}

constexpr OperatorCheck kConvtransposeChecks[] = {
    {"ConvTranspose", check_convtranspose},
};

}  // namespace

extern const CheckList convtranspose_checks{kConvtransposeChecks};

}  // namespace monza::ops
