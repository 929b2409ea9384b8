// The elementwise operators of one and of two inputs, a row each: definitions and importers are made from the tables.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ir/op.h"
#include "ops/elementwise/elementwise.params.h"

namespace monza::ops {

/// Element types an operator takes, as bits.
enum Types : std::uint32_t {
  kFloats = 1u << 0,    ///< f64, f32, f16, bf16
  kIntegers = 1u << 1,  ///< i8 ... u64
  kBoolean = 1u << 2,
  kSmallFloats = 1u << 3,  ///< f8 types
  kNumbers = kFloats | kIntegers,
};
bool takes(Types types, DType type);

/// A unary operator: its name is ONNX's, its attributes are named as ONNX names them.
struct UnaryOp {
  const char* name;
  UnaryKind kind;
  Types types;
  ir::AttrDef attrs[2] = {};  ///< numbers: what is behind UnaryParams::alpha and beta; those beyond have no name

  constexpr ir::AttrSchema schema() const {
    return {attrs, static_cast<std::size_t>((*attrs[0].name != 0) + (*attrs[1].name != 0))};
  }
};
struct BinaryOp {
  const char* name;
  BinaryKind kind;
  Types types;
  bool commutative = false;
  bool to_boolean = false;
  ir::AttrSchema attrs = {};
};
inline constexpr UnaryOp kUnary[] = {
    {"Abs", UnaryKind::abs, kNumbers},
    {"Neg", UnaryKind::neg, kNumbers},
    {"Sign", UnaryKind::sign, kNumbers},
    {"Ceil", UnaryKind::ceil, kFloats},
    {"Floor", UnaryKind::floor, kFloats},
    {"Round", UnaryKind::round, kFloats},
    {"Sqrt", UnaryKind::sqrt, kFloats},
    {"Reciprocal", UnaryKind::reciprocal, kFloats},
    {"Exp", UnaryKind::exp, kFloats},
    {"Log", UnaryKind::log, kFloats},
    {"Sin", UnaryKind::sin, kFloats},
    {"Cos", UnaryKind::cos, kFloats},
    {"Tan", UnaryKind::tan, kFloats},
    {"Asin", UnaryKind::asin, kFloats},
    {"Acos", UnaryKind::acos, kFloats},
    {"Atan", UnaryKind::atan, kFloats},
    {"Sinh", UnaryKind::sinh, kFloats},
    {"Cosh", UnaryKind::cosh, kFloats},
    {"Tanh", UnaryKind::tanh, kFloats},
    {"Asinh", UnaryKind::asinh, kFloats},
    {"Acosh", UnaryKind::acosh, kFloats},
    {"Atanh", UnaryKind::atanh, kFloats},
    {"Erf", UnaryKind::erf, kNumbers},
    {"Relu", UnaryKind::relu, kNumbers},
    {"LeakyRelu", UnaryKind::leaky_relu, kFloats, {{"alpha", 0.01f}}},
    {"Elu", UnaryKind::elu, kFloats, {{"alpha", 1.f}}},
    {"Selu", UnaryKind::selu, kFloats, {{"alpha", 1.67326319217681884765625f}, {"gamma", 1.05070102214813232421875f}}},
    {"Celu", UnaryKind::celu, kFloats, {{"alpha", 1.f}}},
    {"Sigmoid", UnaryKind::sigmoid, kFloats},
    {"HardSigmoid", UnaryKind::hard_sigmoid, kFloats, {{"alpha", 0.2f}, {"beta", 0.5f}}},
    {"HardSwish", UnaryKind::hardswish, kFloats},
    {"Swish", UnaryKind::swish, kFloats, {{"alpha", 1.f}}},
    {"Gelu", UnaryKind::gelu_erf, kFloats, {{"approximate", "none"}}},
    {"Mish", UnaryKind::mish, kFloats},
    {"Softplus", UnaryKind::softplus, kFloats},
    {"Softsign", UnaryKind::softsign, kFloats},
    {"ThresholdedRelu", UnaryKind::thresholded_relu, kFloats, {{"alpha", 1.f}}},
    {"Shrink", UnaryKind::shrink, kNumbers, {{"lambd", 0.5f}, {"bias", 0.f}}},
    {"Not", UnaryKind::logical_not, kBoolean},
    {"BitwiseNot", UnaryKind::bitwise_not, kIntegers},
    {"IsNaN", UnaryKind::is_nan, Types(kFloats | kSmallFloats)},
    {"IsInf", UnaryKind::is_inf, Types(kFloats | kSmallFloats), {{"detect_negative", 1.f}, {"detect_positive", 1.f}}},
};

inline constexpr ir::AttrDef kModAttrs[] = {{"fmod", 0}};
inline constexpr ir::AttrDef kBitShiftAttrs[] = {ir::required("direction", ir::AttrKind::string)};

inline constexpr BinaryOp kBinary[] = {
    {"Add", BinaryKind::add, kNumbers, true},
    {"Sub", BinaryKind::sub, kNumbers},
    {"Mul", BinaryKind::mul, kNumbers, true},
    {"Div", BinaryKind::div, kNumbers},
    {"Mod", BinaryKind::mod, kNumbers, false, false, kModAttrs},
    {"Pow", BinaryKind::pow, kNumbers},
    {"Min", BinaryKind::min, kNumbers, true},
    {"Max", BinaryKind::max, kNumbers, true},
    {"BitShift", BinaryKind::shift_left, kIntegers, false, false, kBitShiftAttrs},
    {"BitwiseAnd", BinaryKind::bitwise_and, kIntegers, true},
    {"BitwiseOr", BinaryKind::bitwise_or, kIntegers, true},
    {"BitwiseXor", BinaryKind::bitwise_xor, kIntegers, true},
    {"And", BinaryKind::logical_and, kBoolean, true, true},
    {"Or", BinaryKind::logical_or, kBoolean, true, true},
    {"Xor", BinaryKind::logical_xor, kBoolean, true, true},
    {"Equal", BinaryKind::equal, Types(kNumbers | kBoolean), true, true},
    {"Less", BinaryKind::less, kNumbers, false, true},
    {"LessOrEqual", BinaryKind::less_or_equal, kNumbers, false, true},
    {"Greater", BinaryKind::greater, kNumbers, false, true},
    {"GreaterOrEqual", BinaryKind::greater_or_equal, kNumbers, false, true},
    {"PRelu", BinaryKind::prelu, kNumbers},
};

/// The row of that name, or null.
constexpr const UnaryOp* find_unary(std::string_view name) {
  for (const UnaryOp& op : kUnary)
    if (name == op.name) return &op;
  return nullptr;
}
constexpr const BinaryOp* find_binary(std::string_view name) {
  for (const BinaryOp& op : kBinary)
    if (name == op.name) return &op;
  return nullptr;
}

/// Symbolic elements of an elementwise node's output from those of its inputs, where all are known and the output is a
/// small integer or boolean tensor: keeps shape arithmetic symbolic.
void propagate_content(ir::InferContext& c, const ir::SymShape& out);

}  // namespace monza::ops
