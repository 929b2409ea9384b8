// What the kernels of this family rely on: inputs that broadcast to the output, and types that fit.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

bool all_broadcast(const CheckContext& c) {
  for (int i = 0; i < c.in_count; ++i)
    if (!broadcasts(c.in[i].shape, c.out[0].shape)) return false;
  return true;
}

constexpr Refusal kBroadcast = "an input does not broadcast to the output";

Refusal check_unary(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

Refusal check_test(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == DType::boolean, kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

Refusal check_binary(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && c.in[1].dtype == c.in[0].dtype && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

Refusal check_pow(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && plain(c.in[1]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

Refusal check_compare(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && c.in[1].dtype == c.in[0].dtype && c.out[0].dtype == DType::boolean, kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

Refusal check_clip(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 3})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(broadcasts(c.in[0].shape, c.out[0].shape), kBroadcast);
  for (int i = 1; i < 3; ++i)
    MONZA_REQUIRE(!c.has_input(i) || (c.in[i].dtype == c.in[0].dtype && one_element(c.in[i])),
                  "a limit is not one element of the input's type");
  return nullptr;
}

Refusal check_where(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3})) return r;
  MONZA_REQUIRE(c.in[0].dtype == DType::boolean && c.in[1].dtype == c.out[0].dtype && c.in[2].dtype == c.out[0].dtype &&
                    dtype_bits(c.out[0].dtype) >= 8,
                kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

/// Identity and BitCast: the same bits.
Refusal check_bits(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

Refusal check_cast(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(plain(c.in[0]) && plain(c.out[0]), kTypes);
  MONZA_REQUIRE(all_broadcast(c), kBroadcast);
  return nullptr;
}

constexpr OperatorCheck kElementwiseChecks[] = {
    {"Abs", check_unary},
    {"Neg", check_unary},
    {"Sign", check_unary},
    {"Ceil", check_unary},
    {"Floor", check_unary},
    {"Round", check_unary},
    {"Sqrt", check_unary},
    {"Reciprocal", check_unary},
    {"Exp", check_unary},
    {"Log", check_unary},
    {"Sin", check_unary},
    {"Cos", check_unary},
    {"Tan", check_unary},
    {"Asin", check_unary},
    {"Acos", check_unary},
    {"Atan", check_unary},
    {"Sinh", check_unary},
    {"Cosh", check_unary},
    {"Tanh", check_unary},
    {"Asinh", check_unary},
    {"Acosh", check_unary},
    {"Atanh", check_unary},
    {"Erf", check_unary},
    {"Relu", check_unary},
    {"LeakyRelu", check_unary},
    {"Elu", check_unary},
    {"Selu", check_unary},
    {"Celu", check_unary},
    {"Sigmoid", check_unary},
    {"HardSigmoid", check_unary},
    {"HardSwish", check_unary},
    {"Swish", check_unary},
    {"Gelu", check_unary},
    {"Mish", check_unary},
    {"Softplus", check_unary},
    {"Softsign", check_unary},
    {"ThresholdedRelu", check_unary},
    {"Shrink", check_unary},
    {"Not", check_unary},
    {"BitwiseNot", check_unary},
    {"IsNaN", check_test},
    {"IsInf", check_test},
    {"Add", check_binary},
    {"Sub", check_binary},
    {"Mul", check_binary},
    {"Div", check_binary},
    {"Mod", check_binary},
    {"Min", check_binary},
    {"Max", check_binary},
    {"BitShift", check_binary},
    {"BitwiseAnd", check_binary},
    {"BitwiseOr", check_binary},
    {"BitwiseXor", check_binary},
    {"And", check_binary},
    {"Or", check_binary},
    {"Xor", check_binary},
    {"PRelu", check_binary},
    {"Pow", check_pow},
    {"Equal", check_compare},
    {"Less", check_compare},
    {"LessOrEqual", check_compare},
    {"Greater", check_compare},
    {"GreaterOrEqual", check_compare},
    {"Clip", check_clip},
    {"Where", check_where},
    {"BitCast", check_bits},
    {"Identity", check_bits},
    {"Cast", check_cast},
};

}  // namespace

extern const CheckList elementwise_checks{kElementwiseChecks};

}  // namespace monza::ops
