// What the kernels of this family rely on: channels, filters and spatial extents that fit each other.
#include "ops/conv/conv.check.h"

#include <cstddef>

#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

Refusal check_conv(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 5})) return r;
  const auto& p = c.params_as<ConvParams>();
  const DType type = c.in[0].dtype;
  MONZA_REQUIRE(is_float(type) && plain(c.in[0]) && c.out[0].dtype == type,
                "the element types do not fit the operator");
  for (int i = 1; i < c.in_count; ++i)
    MONZA_REQUIRE(!c.has_input(i) || c.in[i].dtype == type, "the element types do not fit the operator");
  if (const Refusal r = refuse_conv_shapes(p, c.in[0].shape, c.in[1].shape, c.out[0].shape, kConvAxes)) return r;
  const std::int64_t filters = c.out[0].shape[1];
  MONZA_REQUIRE(!c.has_input(2) || vector_of(c.in[2], filters), "there is not one bias for each filter");
  MONZA_REQUIRE(!c.has_input(3) || c.in[3].shape == c.out[0].shape, "residual and output differ in shape");
  if (p.act.kind == ActivationKind::prelu) MONZA_REQUIRE(c.has_input(4), "the activation's slopes are missing");
  if (c.has_input(4)) {
    const Shape& s = c.in[4].shape;
    int long_axes = 0;
    for (int a = 0; a < s.rank; ++a) long_axes += s[a] != 1;
    MONZA_REQUIRE(long_axes <= 1 && (s.numel() == 1 || s.numel() == filters), "there is not one slope for each filter");
  }
  return nullptr;
}

constexpr OperatorCheck kConvChecks[] = {
    {.op = "Conv", .check = check_conv, .epilogue_at = offsetof(ConvParams, act)},
};

}  // namespace

extern const CheckList conv_checks{kConvChecks};

}  // namespace monza::ops
