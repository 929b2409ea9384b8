// What the kernels of this family rely on: tensors of strings that broadcast, and room for what a string splits into.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

constexpr Refusal kStringShapes = "inputs and output do not fit each other";

bool is_string(const TensorView& v) { return v.dtype == DType::string; }

Refusal check_equal(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(is_string(c.in[0]) && is_string(c.in[1]) && c.out[0].dtype == DType::boolean, kTypes);
  MONZA_REQUIRE(broadcasts(c.in[0].shape, c.out[0].shape) && broadcasts(c.in[1].shape, c.out[0].shape), kStringShapes);
  return nullptr;
}

Refusal check_concat(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(is_string(c.in[0]) && is_string(c.in[1]) && is_string(c.out[0]), kTypes);
  MONZA_REQUIRE(broadcasts(c.in[0].shape, c.out[0].shape) && broadcasts(c.in[1].shape, c.out[0].shape), kStringShapes);
  return nullptr;
}

Refusal check_split(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2, .most_out = 2, .extents = 1})) return r;
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(is_string(c.in[0]) && is_string(c.in[1]) && is_string(c.out[0]) && one_element(c.in[1]), kTypes);
  MONZA_REQUIRE(out.rank == x.rank + 1, kStringShapes);
  for (int a = 0; a < x.rank; ++a) MONZA_REQUIRE(out[a] == x[a], kStringShapes);
  MONZA_REQUIRE(!c.has_output(1) || (c.out[1].dtype == DType::i64 && c.out[1].shape == x), kStringShapes);
  return nullptr;
}

Refusal check_to_number(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(is_string(c.in[0]) && plain(c.out[0]), kTypes);
  MONZA_REQUIRE(broadcasts(c.in[0].shape, c.out[0].shape), kStringShapes);
  return nullptr;
}

Refusal check_to_string(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && is_string(c.out[0]), kTypes);
  MONZA_REQUIRE(broadcasts(c.in[0].shape, c.out[0].shape), kStringShapes);
  return nullptr;
}

Refusal check_normalizer(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2, .extents = 1})) return r;
  MONZA_REQUIRE(is_string(c.in[0]) && is_string(c.in[1]) && is_string(c.out[0]), kTypes);
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(x.rank >= 1 && out.rank == x.rank && c.in[1].shape.rank == 1, kStringShapes);
  for (int a = 0; a + 1 < x.rank; ++a) MONZA_REQUIRE(x[a] == 1 && out[a] == 1, kStringShapes);
  return nullptr;
}

Refusal check_regex(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(is_string(c.in[0]) && is_string(c.in[1]) && one_element(c.in[1]) && c.out[0].dtype == DType::boolean,
                kTypes);
  MONZA_REQUIRE(c.in[0].shape == c.out[0].shape, kStringShapes);
  return nullptr;
}

constexpr OperatorCheck kStringsChecks[] = {
    {"StringEqual", check_equal},        {"StringConcat", check_concat},      {"StringSplit", check_split},
    {"StringToNumber", check_to_number}, {"NumberToString", check_to_string}, {"StringNormalizer", check_normalizer},
    {"RegexFullMatch", check_regex},
};

}  // namespace

extern const CheckList strings_checks{kStringsChecks};

}  // namespace monza::ops
