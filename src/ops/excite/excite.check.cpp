// What the kernels of this family rely on: weights fit the channels and each other.
#include "kernel/check_rules.h"
#include "ops/excite/excite.params.h"

namespace monza::ops {
namespace {

Refusal check_squeeze_excite(const CheckContext& c) noexcept {
  // Between the two weights lies the first one's bias, which may be absent.
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 5})) return r;
  MONZA_REQUIRE(c.has_input(3), "an input is missing");
  const DType type = c.in[0].dtype;
  MONZA_REQUIRE(type == DType::f32 || type == DType::f16, kTypes);
  for (int i = 0; i < c.in_count; ++i) MONZA_REQUIRE(!c.has_input(i) || c.in[i].dtype == type, kTypes);
  MONZA_REQUIRE(c.out[0].dtype == type, kTypes);
  const Shape &x = c.in[0].shape, &squeeze = c.in[1].shape, &excite = c.in[3].shape;
  MONZA_REQUIRE(x.rank >= 3 && c.out[0].shape == x, kShapes);
  MONZA_REQUIRE(
      squeeze.rank == 2 && excite.rank == 2 && squeeze[1] == x[1] && excite[0] == x[1] && excite[1] == squeeze[0],
      "the weights do not fit the channels");
  MONZA_REQUIRE(!c.has_input(2) || vector_of(c.in[2], squeeze[0]), "there is not one bias for each row of a weight");
  MONZA_REQUIRE(!c.has_input(4) || vector_of(c.in[4], x[1]), "there is not one bias for each row of a weight");
  const auto& p = c.params_as<SqueezeExciteParams>();
  MONZA_REQUIRE(p.inner.kind != ActivationKind::prelu && p.outer.kind != ActivationKind::prelu,
                "an activation has slopes");
  return nullptr;
}

constexpr OperatorCheck kExciteChecks[] = {
    {"SqueezeExcite", check_squeeze_excite},
};

}  // namespace

extern const CheckList excite_checks{kExciteChecks};

}  // namespace monza::ops
