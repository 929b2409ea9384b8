// What the kernels of this family rely on: offsets and masks for every tap of every output position.
#include "kernel/check_rules.h"
#include "ops/deform_conv/deform_conv.params.h"

namespace monza::ops {
namespace {

Refusal check_deform_conv(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 5})) return r;
  const auto& p = c.params_as<DeformConvParams>();
  const Shape &x = c.in[0].shape, &w = c.in[1].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, "the element types do not fit the operator");
  for (int i = 1; i < c.in_count; ++i)
    MONZA_REQUIRE(!c.has_input(i) || c.in[i].dtype == c.in[0].dtype, "the element types do not fit the operator");
  MONZA_REQUIRE(p.group >= 1 && p.offset_group >= 1, "less than one group");
  MONZA_REQUIRE(x.rank == 4 && w.rank == 4 && out.rank == 4, "not two spatial axes");
  MONZA_REQUIRE(
      x[0] == out[0] && w[0] == out[1] && x[1] == w[1] * p.group && w[0] % p.group == 0 && x[1] % p.offset_group == 0,
      "channels or filters of input, weight and output do not fit each other");
  for (int i = 2; i < 4; ++i)
    MONZA_REQUIRE(sane(x[i]) && sane(w[i], 1) && sane(out[i]), "a spatial extent is out of range");
  MONZA_REQUIRE(w[2] * w[3] <= std::int64_t{1} << 31, "a spatial extent is out of range");
  const std::int64_t taps = p.offset_group * w[2] * w[3];
  MONZA_REQUIRE(c.in[2].shape == (Shape{out[0], 2 * taps, out[2], out[3]}), "the offsets do not fit the output");
  MONZA_REQUIRE(!c.has_input(3) || vector_of(c.in[3], out[1]), "there is not one bias for each filter");
  MONZA_REQUIRE(!c.has_input(4) || c.in[4].shape == (Shape{out[0], taps, out[2], out[3]}),
                "the mask does not fit the output");
  return nullptr;
}

constexpr OperatorCheck kDeformConvChecks[] = {
    {"DeformConv", check_deform_conv},
};

}  // namespace

extern const CheckList deform_conv_checks{kDeformConvChecks};

}  // namespace monza::ops
