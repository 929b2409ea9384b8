// What the kernels of this family rely on: an output as the input, and vectors with an element for each channel.
#include "kernel/check_rules.h"
#include "ops/norm/norm.params.h"

namespace monza::ops {
namespace {

bool same(const TensorView& x, const TensorView& out) {
  return plain(x) && out.dtype == x.dtype && x.shape == out.shape;
}

/// Inputs [first, last) are vectors of one element a channel.
bool per_channel(const CheckContext& c, int first, int last) {
  for (int i = first; i < last; ++i)
    if (!plain(c.in[i]) || !vector_of(c.in[i], c.in[0].shape[1])) return false;
  return true;
}

Refusal check_batch_norm(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 5, .most_in = 5, .most_out = 3})) return r;
  MONZA_REQUIRE(same(c.in[0], c.out[0]) && c.in[0].shape.rank >= 2, "input and output do not fit each other");
  MONZA_REQUIRE(per_channel(c, 1, 5), "a statistic has not one element for each channel");
  for (int i = 1; i < c.out_count; ++i)
    MONZA_REQUIRE(plain(c.out[i]) && vector_of(c.out[i], c.in[0].shape[1]),
                  "a statistic has not one element for each channel");
  return nullptr;
}

Refusal check_layer_norm(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 3, .most_out = 3})) return r;
  const auto& p = c.params_as<LayerNormParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && plain(out) && x.shape == out.shape, "input and output do not fit each other");
  MONZA_REQUIRE(is_axis(p.axis, x.shape.rank), "the axis lies outside the rank");
  for (int i = 1; i < 3; ++i)
    MONZA_REQUIRE(!c.has_input(i) || (plain(c.in[i]) && broadcasts(c.in[i].shape, x.shape)),
                  "scale or bias does not broadcast to the input");
  // The fast kernels write what they read; only RMSNormalization may change the type, by its scale's.
  MONZA_REQUIRE(out.dtype == x.dtype || (c.has_input(1) && out.dtype == c.in[1].dtype),
                "the element types do not fit the operator");
  for (int i = 1; i < c.out_count; ++i) {
    if (!c.has_output(i)) continue;
    MONZA_REQUIRE(plain(c.out[i]) && c.out[i].shape.rank >= p.axis, "a statistic does not fit the input");
    for (int a = 0; a < p.axis; ++a)
      MONZA_REQUIRE(c.out[i].shape[a] == x.shape[a], "a statistic does not fit the input");
    for (int a = p.axis; a < c.out[i].shape.rank; ++a)
      MONZA_REQUIRE(c.out[i].shape[a] == 1, "a statistic does not fit the input");
  }
  return nullptr;
}

Refusal check_group_norm(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3})) return r;
  const TensorView& x = c.in[0];
  MONZA_REQUIRE(same(x, c.out[0]) && x.shape.rank >= 2, "input and output do not fit each other");
  MONZA_REQUIRE(per_channel(c, 1, 3), "scale or bias has not one element for each channel");
  const std::int32_t groups = c.params_as<GroupNormParams>().groups;
  MONZA_REQUIRE(groups >= 0 && (groups == 0 || x.shape[1] % groups == 0), "channels do not divide into the groups");
  return nullptr;
}

Refusal check_lrn(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(same(c.in[0], c.out[0]) && c.in[0].shape.rank >= 2, "input and output do not fit each other");
  MONZA_REQUIRE(c.params_as<LrnParams>().size >= 1, "the window is empty");
  return nullptr;
}

Refusal check_lp_norm(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(same(c.in[0], c.out[0]), "input and output do not fit each other");
  MONZA_REQUIRE(is_axis(c.params_as<LpNormParams>().axis, c.in[0].shape.rank), "the axis lies outside the rank");
  return nullptr;
}

constexpr OperatorCheck kNormChecks[] = {
    {"BatchNormalization", check_batch_norm},    {"LayerNormalization", check_layer_norm},
    {"RMSNormalization", check_layer_norm},      {"GroupNormalization", check_group_norm},
    {"InstanceNormalization", check_group_norm}, {"LRN", check_lrn},
    {"LpNormalization", check_lp_norm},
};

}  // namespace

extern const CheckList norm_checks{kNormChecks};

}  // namespace monza::ops
