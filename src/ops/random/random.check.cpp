// What the kernels of this family rely on: outputs as the inputs, and scalars where the operator has them.
#include "kernel/check_rules.h"
#include "ops/random/random.params.h"

namespace monza::ops {
namespace {

Refusal check(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 0, .most_in = 3, .most_out = 2})) return r;
  const TensorView& out = c.out[0];
  MONZA_REQUIRE(plain(out), "the element types do not fit the operator");
  MONZA_REQUIRE(!c.has_input(0) || plain(c.in[0]), "the element types do not fit the operator");
  switch (c.params_as<RandomParams>().kind) {
    case RandomParams::Kind::dropout:
      MONZA_REQUIRE(c.has_input(0) && c.in[0].dtype == out.dtype && c.in[0].shape == out.shape,
                    "input and output do not fit each other");
      for (int i : {1, 2})
        MONZA_REQUIRE(!c.has_input(i) || (plain(c.in[i]) && one_element(c.in[i])),
                      "ratio and training are not one element each");
      MONZA_REQUIRE(!c.has_output(1) || (c.out[1].dtype == DType::boolean && c.out[1].shape == out.shape),
                    "the mask does not fit the output");
      return nullptr;
    case RandomParams::Kind::multinomial:
      MONZA_REQUIRE(
          c.has_input(0) && c.in[0].shape.rank == 2 && out.shape.rank == 2 && c.in[0].shape[0] >= out.shape[0],
          "input and output do not fit each other");
      return nullptr;
    case RandomParams::Kind::bernoulli:
      MONZA_REQUIRE(c.has_input(0) && c.in[0].shape == out.shape, "input and output do not fit each other");
      return nullptr;
    case RandomParams::Kind::uniform:
    case RandomParams::Kind::normal:
      MONZA_REQUIRE(!c.has_input(0) || broadcasts(c.in[0].shape, out.shape), "input and output do not fit each other");
      return nullptr;
  }
  return "the kind of distribution is unknown";
}

constexpr OperatorCheck kRandomChecks[] = {
    {"RandomUniform", check}, {"RandomNormal", check}, {"Bernoulli", check}, {"Multinomial", check}, {"Dropout", check},
};

}  // namespace

extern const CheckList random_checks{kRandomChecks};

}  // namespace monza::ops
