// What the kernels of this family rely on: an axis before the complex parts, frames and windows that fit.
#include "kernel/check_rules.h"
#include "ops/signal/signal.params.h"

namespace monza::ops {
namespace {

Refusal check_dft(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 3})) return r;
  const auto& p = c.params_as<DftParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  const int last = x.rank - 1;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(x.rank >= 2 && out.rank == x.rank && is_axis(p.axis, last), "the axis lies outside the rank");
  MONZA_REQUIRE((x[last] == 1 || x[last] == 2) && out[last] == (p.inverse && p.onesided ? 1 : 2), kShapes);
  for (int a = 0; a < last; ++a) MONZA_REQUIRE(a == p.axis || x[a] == out[a], kShapes);
  MONZA_REQUIRE(sane(x[static_cast<int>(p.axis)]) && sane(out[static_cast<int>(p.axis)]), "an extent is out of range");
  MONZA_REQUIRE(p.length >= -2 && p.length <= std::int64_t{1} << 31, "the length is out of range");
  MONZA_REQUIRE(p.length != -2 || (c.has_input(1) && integral(c.in[1]) && one_element(c.in[1])),
                "the length is not one integer");
  return nullptr;
}

Refusal check_stft(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 4})) return r;
  const auto& p = c.params_as<StftParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(x.rank == 3 && out.rank == 4 && (x[2] == 1 || x[2] == 2) && x[0] == out[0] && out[3] == 2, kShapes);
  MONZA_REQUIRE(sane(x[1]) && sane(out[1]) && sane(out[2]) && sane(p.length, 1) && p.length <= x[1] && sane(p.step),
                "an extent, step or length is out of range");
  MONZA_REQUIRE(p.step > 0 || (c.has_input(1) && integral(c.in[1]) && one_element(c.in[1])),
                "the step is not one integer");
  MONZA_REQUIRE(
      !c.has_input(2) || (c.in[2].dtype == c.in[0].dtype && c.in[2].shape.rank == 1 && c.in[2].shape[0] >= p.length),
      "the window is shorter than a frame");
  return nullptr;
}

Refusal check_mel(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 0, .most_in = 5})) return r;
  MONZA_REQUIRE(plain(c.out[0]), kTypes);
  MONZA_REQUIRE(c.out[0].shape.rank == 2, kShapes);
  for (int i = 1; i < 5; ++i)
    MONZA_REQUIRE(c.has_input(i) && plain(c.in[i]) && one_element(c.in[i]), "a parameter is not one number");
  return nullptr;
}

constexpr OperatorCheck kSignalChecks[] = {
    {"DFT", check_dft},
    {"STFT", check_stft},
    {"MelWeightMatrix", check_mel},
};

}  // namespace

extern const CheckList signal_checks{kSignalChecks};

}  // namespace monza::ops
