// What the kernels of this family rely on: channels, filters and spatial extents that fit each other, and scales and
// zero points for all filters.
#include <cstddef>

#include "kernel/check_rules.h"
#include "ops/conv/conv.check.h"
#include "ops/qconv/qconv.params.h"
#include "ops/shared/quantized.check.h"

namespace monza::ops {
namespace {

Refusal check_conv_integer(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 4})) return r;
  MONZA_REQUIRE(is_8bit(c.in[0]) && is_8bit(c.in[1]) && c.out[0].dtype == DType::i32,
                "the element types do not fit the operator");
  if (const Refusal r = refuse_conv_shapes(c.params_as<QConvParams>(), c.in[0].shape, c.in[1].shape, c.out[0].shape))
    return r;
  for (int i : {2, 3})
    MONZA_REQUIRE(!c.has_input(i) || (is_8bit(c.in[i]) && per_column(c.in[i], i == 2 ? 1 : c.out[0].shape[1])),
                  "there is not one zero point for each filter");
  return nullptr;
}

Refusal check_qconv(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = QInput::count})) return r;
  MONZA_REQUIRE(c.has_input(QInput::w), "an input is missing");
  if (const Refusal r =
          refuse_conv_shapes(c.params_as<QConvParams>(), c.in[QInput::x].shape, c.in[QInput::w].shape, c.out[0].shape))
    return r;
  return refuse_quantized(c, c.out[0].shape[1]);
}

constexpr OperatorCheck kQconvChecks[] = {
    {"ConvInteger", check_conv_integer},
    {.op = "QConv", .check = check_qconv, .epilogue_at = offsetof(QConvParams, act)},
};

}  // namespace

extern const CheckList qconv_checks{kQconvChecks};

}  // namespace monza::ops
