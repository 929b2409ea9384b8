// What the kernels of this family rely on: the depthwise part's shapes fit the input, the 1x1 part's the output.
#include "ops/conv/conv.check.h"
#include "ops/sepconv/sepconv.params.h"

namespace monza::ops {
namespace {

Refusal check_sepconv(const CheckContext& c) noexcept {
  // Between the two weights lies the depthwise part's bias, which may be absent.
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 7})) return r;
  MONZA_REQUIRE(c.has_input(3), "an input is missing");
  const auto& p = c.params_as<SeparableConvParams>();
  for (int i = 0; i < c.in_count; ++i)
    MONZA_REQUIRE(!c.has_input(i) || c.in[i].dtype == DType::f32, "the element types do not fit the operator");
  MONZA_REQUIRE(c.out[0].dtype == DType::f32, "the element types do not fit the operator");
  const Shape &x = c.in[0].shape, &depth = c.in[1].shape, &w = c.in[3].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(x.rank == 4 && depth.rank == 4 && w.rank == 4 && out.rank == 4, "not four axes");
  MONZA_REQUIRE(p.depth.spatial == 2 && depth[0] == x[1] && depth[1] == 1 && p.depth.group == x[1],
                "there is not one depthwise filter for each channel");
  MONZA_REQUIRE(w[0] == out[1] && w[1] == x[1] && w[2] == 1 && w[3] == 1, "the second weight is not of a 1x1 kernel");
  Shape between = out;
  between[1] = x[1];
  if (const Refusal r = refuse_conv_shapes(p.depth, x, depth, between)) return r;
  MONZA_REQUIRE(p.point.spatial == 2 && p.point.group == 1, "the second part has groups or other axes");
  if (const Refusal r = refuse_conv_shapes(p.point, between, w, out)) return r;
  MONZA_REQUIRE(!c.has_input(2) || vector_of(c.in[2], x[1]), "there is not one bias for each channel");
  MONZA_REQUIRE(!c.has_input(4) || vector_of(c.in[4], out[1]), "there is not one bias for each filter");
  MONZA_REQUIRE(!c.has_input(5) || c.in[5].shape == out, "residual and output differ in shape");
  MONZA_REQUIRE(p.depth.act.kind != ActivationKind::prelu, "the depthwise part takes no slope");
  if (p.point.act.kind == ActivationKind::prelu) MONZA_REQUIRE(c.has_input(6), "the activation's slopes are missing");
  if (c.has_input(6)) {
    const Shape& s = c.in[6].shape;
    int long_axes = 0;
    for (int a = 0; a < s.rank; ++a) long_axes += s[a] != 1;
    MONZA_REQUIRE(long_axes <= 1 && (s.numel() == 1 || s.numel() == out[1]), "there is not one slope for each filter");
  }
  return nullptr;
}

constexpr OperatorCheck kSepconvChecks[] = {
    {"SeparableConv", check_sepconv},
};

}  // namespace

extern const CheckList sepconv_checks{kSepconvChecks};

}  // namespace monza::ops
