// Elementwise operators: names, types, shapes, parameters.
#include "ops/elementwise/elementwise.def.h"
#include "ops/elementwise/unary_list.params.h"
#include "ops/shared/shapes.def.h"

#include <iterator>

#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

constexpr UnaryOp kUnary[] = {
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

constexpr ir::AttrDef kModAttrs[] = {{"fmod", 0}};
constexpr ir::AttrDef kBitShiftAttrs[] = {ir::required("direction", ir::AttrKind::string)};

constexpr BinaryOp kBinary[] = {
    {"Add", BinaryKind::add, kNumbers},
    {"Sub", BinaryKind::sub, kNumbers},
    {"Mul", BinaryKind::mul, kNumbers},
    {"Div", BinaryKind::div, kNumbers},
    {"Mod", BinaryKind::mod, kNumbers, false, kModAttrs},
    {"Pow", BinaryKind::pow, kNumbers},
    {"Min", BinaryKind::min, kNumbers},
    {"Max", BinaryKind::max, kNumbers},
    {"BitShift", BinaryKind::shift_left, kIntegers, false, kBitShiftAttrs},
    {"BitwiseAnd", BinaryKind::bitwise_and, kIntegers},
    {"BitwiseOr", BinaryKind::bitwise_or, kIntegers},
    {"BitwiseXor", BinaryKind::bitwise_xor, kIntegers},
    {"And", BinaryKind::logical_and, kBoolean, true},
    {"Or", BinaryKind::logical_or, kBoolean, true},
    {"Xor", BinaryKind::logical_xor, kBoolean, true},
    {"Equal", BinaryKind::equal, Types(kNumbers | kBoolean), true},
    {"Less", BinaryKind::less, kNumbers, true},
    {"LessOrEqual", BinaryKind::less_or_equal, kNumbers, true},
    {"Greater", BinaryKind::greater, kNumbers, true},
    {"GreaterOrEqual", BinaryKind::greater_or_equal, kNumbers, true},
    {"PRelu", BinaryKind::prelu, kNumbers},
};

template <typename Row, std::size_t N>
constexpr const Row* row_of(const Row (&rows)[N], std::string_view name) {
  for (const Row& row : rows)
    if (name == row.name) return &row;
  return nullptr;
}

const UnaryOp& unary_of(const ir::Node& node) { return *find_unary(node.op->name); }
const BinaryOp& binary_of(const ir::Node& node) { return *find_binary(node.op->name); }

void infer_unary(ir::InferContext& c) {
  const UnaryOp& op = unary_of(c.node());
  const DType type = c.dtype(0);
  if (!takes(op.types, type)) c.fail("element type {} is not one {} takes", dtype_name(type), op.name);
  if (op.kind == UnaryKind::gelu_erf)
    if (const std::string a = c.attrs().s("approximate"); a != "none" && a != "tanh")
      c.fail("approximate \"{}\" is neither \"none\" nor \"tanh\"", a);
  const bool test = op.kind == UnaryKind::is_nan || op.kind == UnaryKind::is_inf;
  c.set_output(0, test ? DType::boolean : type, c.shape(0));
  propagate_content(c, c.shape(0));
}

void unary_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  const UnaryOp& op = unary_of(n.node);
  UnaryParams p{.kind = op.kind};
  if (op.kind == UnaryKind::gelu_erf) {
    if (n.attrs().s("approximate") == "tanh") p.kind = UnaryKind::gelu_tanh;
    return blob.set(p);
  }
  const ir::AttrSchema numbers = op.schema();
  if (!numbers.empty()) p.alpha = static_cast<float>(n.attrs().f(numbers[0].name));
  if (numbers.size() > 1) p.beta = static_cast<float>(n.attrs().f(numbers[1].name));
  blob.set(p);
}

void infer_binary(ir::InferContext& c) {
  const BinaryOp& op = binary_of(c.node());
  const DType type = c.dtype(0);
  if (!takes(op.types, type)) c.fail("element type {} is not one {} takes", dtype_name(type), op.name);
  if (op.kind == BinaryKind::pow) {
    if (!takes(op.types, c.dtype(1))) c.fail("element type {} is not one {} takes", dtype_name(c.dtype(1)), op.name);
  } else if (c.dtype(1) != type) {
    c.fail("operands have element types {} and {}", dtype_name(type), dtype_name(c.dtype(1)));
  }
  if (op.kind == BinaryKind::shift_left)
    if (const std::string d = c.attrs().s("direction"); d != "LEFT" && d != "RIGHT")
      c.fail("direction \"{}\" is neither \"LEFT\" nor \"RIGHT\"", d);
  ir::SymShape shape = broadcast_shapes(c, {&c.shape(0), &c.shape(1)});
  c.set_output(0, op.to_boolean ? DType::boolean : type, shape);
  propagate_content(c, shape);
}

void binary_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  BinaryParams p{binary_of(n.node).kind};
  if (p.kind == BinaryKind::mod && n.attrs().i("fmod") != 0) p.kind = BinaryKind::fmod;
  if (p.kind == BinaryKind::shift_left && n.attrs().s("direction") == "RIGHT") p.kind = BinaryKind::shift_right;
  blob.set(p);
}

void infer_clip(ir::InferContext& c) {
  if (!takes(kNumbers, c.dtype(0))) c.fail("element type {} is not one Clip takes", dtype_name(c.dtype(0)));
  for (int i = 1; i < 3; ++i) {
    if (!c.has_input(i)) continue;
    if (c.dtype(i) != c.dtype(0))
      c.fail("bound {} has element type {}, the input {}", i, dtype_name(c.dtype(i)), dtype_name(c.dtype(0)));
    if (!(ir::product(c.shape(i)) == Expr(1)))
      c.fail("bound {} has shape {}, not one element", i, ir::to_string(c.shape(i)));
  }
  c.set_output(0, c.dtype(0), c.shape(0));
  propagate_content(c, c.shape(0));
}

void infer_where(ir::InferContext& c) {
  if (c.dtype(0) != DType::boolean) c.fail("the condition has element type {}, not bool", dtype_name(c.dtype(0)));
  const DType type = c.dtype(1);
  if (type != c.dtype(2)) c.fail("the branches have element types {} and {}", dtype_name(type), dtype_name(c.dtype(2)));
  if (dtype_bits(type) < 8 || type == DType::string) c.fail("element type {} is not one Where takes", dtype_name(type));
  const ir::SymShape shape = broadcast_shapes(c, {&c.shape(0), &c.shape(1), &c.shape(2)});
  c.set_output(0, type, shape);
  propagate_content(c, shape);
}

DType cast_target(const ir::AttrReader& attrs) {
  const std::string name = attrs.s("to");
  const DType to = parse_dtype(name);
  if (to == DType::invalid) fail("attribute to=\"{}\" names no element type", name);
  return to;
}

void infer_cast(ir::InferContext& c) {
  const DType to = cast_target(c.attrs());
  for (DType t : {c.dtype(0), to})
    if (dtype_bits(t) == 0 || t == DType::string || t == DType::c64 || t == DType::c128)
      c.fail("a cast from {} to {} is not supported", dtype_name(c.dtype(0)), dtype_name(to));
  const std::string round = c.attrs().s("round_mode");
  if (round != "up" && round != "down" && round != "nearest") c.fail("round_mode \"{}\" is not known", round);
  c.set_output(0, to, c.shape(0));
  propagate_content(c, c.shape(0));
}

void cast_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  CastParams p;
  p.saturate = n.attrs().i("saturate") != 0;
  const std::string round = n.attrs().s("round_mode");
  p.e8m0 = round == "down"      ? CastParams::Round::down
           : round == "nearest" ? CastParams::Round::nearest
                                : CastParams::Round::up;
  blob.set(p);
}

void infer_bit_cast(ir::InferContext& c) {
  const DType to = cast_target(c.attrs()), from = c.dtype(0);
  if (to == DType::string || from == DType::string || dtype_bits(to) != dtype_bits(from))
    c.fail("{} and {} do not have the same size", dtype_name(from), dtype_name(to));
  c.set_output(0, to, c.shape(0));
}

void infer_identity(ir::InferContext& c) {
  c.set_output(0, c.dtype(0), c.shape(0), c.input(0).kind);
  if (auto content = c.known_content(0)) c.set_content(0, *content);
}

void identity_aliases(const ir::NodeView& n, std::vector<ir::Alias>& out) {
  ir::Alias alias{.kind = ir::Alias::Kind::view};
  for (std::size_t i = 0; i < n.input(0).rank(); ++i) alias.axes.push_back({static_cast<int>(i), 1});
  out.push_back(std::move(alias));
}

double one_flop(const ir::NodeView&, const std::vector<Shape>&, const std::vector<Shape>& out) {
  return static_cast<double>(out[0].numel());
}

}  // namespace

bool takes(Types types, DType type) {
  switch (type) {
    case DType::f32:
    case DType::f64:
    case DType::f16:
    case DType::bf16: return types & kFloats;
    case DType::boolean: return types & kBoolean;
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz: return types & kSmallFloats;
    default: return is_integer(type) && dtype_bits(type) >= 8 && (types & kIntegers);
  }
}

const UnaryOp* find_unary(std::string_view name) { return row_of(kUnary, name); }
const BinaryOp* find_binary(std::string_view name) { return row_of(kBinary, name); }

#define MONZA_UNARY(symbol, op_name)                                      \
  extern const ir::OpDef symbol##_op;                                     \
  const ir::OpDef symbol##_op{.name = op_name,                            \
                              .attrs = row_of(kUnary, op_name)->schema(), \
                              .flags = ir::OpFlag::pointwise,             \
                              .infer = infer_unary,                       \
                              .params = unary_params,                     \
                              .flops = one_flop};
MONZA_UNARY_OPS(MONZA_UNARY)
MONZA_UNARY_TESTS(MONZA_UNARY)
#undef MONZA_UNARY

#define MONZA_BINARY(symbol, op_name, more_flags)                          \
  extern const ir::OpDef symbol##_op;                                      \
  const ir::OpDef symbol##_op{.name = op_name,                             \
                              .attrs = row_of(kBinary, op_name)->attrs,    \
                              .min_inputs = 2,                             \
                              .max_inputs = 2,                             \
                              .flags = ir::OpFlag::pointwise | more_flags, \
                              .infer = infer_binary,                       \
                              .params = binary_params,                     \
                              .flops = one_flop};
#define MONZA_COMMUTATIVE(symbol, op_name) MONZA_BINARY(symbol, op_name, ir::OpFlag::commutative)
#define MONZA_ORDERED(symbol, op_name) MONZA_BINARY(symbol, op_name, ir::OpFlag::none)
MONZA_COMMUTATIVE(add, "Add")
MONZA_ORDERED(sub, "Sub")
MONZA_COMMUTATIVE(mul, "Mul")
MONZA_ORDERED(div, "Div")
MONZA_ORDERED(mod, "Mod")
MONZA_ORDERED(pow, "Pow")
MONZA_COMMUTATIVE(min, "Min")
MONZA_COMMUTATIVE(max, "Max")
MONZA_ORDERED(bit_shift, "BitShift")
MONZA_COMMUTATIVE(bitwise_and, "BitwiseAnd")
MONZA_COMMUTATIVE(bitwise_or, "BitwiseOr")
MONZA_COMMUTATIVE(bitwise_xor, "BitwiseXor")
MONZA_COMMUTATIVE(logical_and, "And")
MONZA_COMMUTATIVE(logical_or, "Or")
MONZA_COMMUTATIVE(logical_xor, "Xor")
MONZA_COMMUTATIVE(equal, "Equal")
MONZA_ORDERED(less, "Less")
MONZA_ORDERED(less_or_equal, "LessOrEqual")
MONZA_ORDERED(greater, "Greater")
MONZA_ORDERED(greater_or_equal, "GreaterOrEqual")
MONZA_ORDERED(prelu, "PRelu")
#undef MONZA_COMMUTATIVE
#undef MONZA_ORDERED
#undef MONZA_BINARY

namespace {

constexpr ir::AttrDef kCastAttrs[] = {ir::required("to", ir::AttrKind::string), {"saturate", 1}, {"round_mode", "up"}};
constexpr ir::AttrDef kBitCastAttrs[] = {ir::required("to", ir::AttrKind::string)};

}  // namespace

extern const ir::OpDef clip_op, where_op, cast_op, bit_cast_op, identity_op;
const ir::OpDef clip_op{.name = "Clip",
                        .min_inputs = 1,
                        .max_inputs = 3,
                        .flags = ir::OpFlag::pointwise,
                        .infer = infer_clip,
                        .flops = one_flop};
const ir::OpDef where_op{
    .name = "Where", .min_inputs = 3, .max_inputs = 3, .flags = ir::OpFlag::pointwise, .infer = infer_where};
const ir::OpDef cast_op{
    .name = "Cast", .attrs = kCastAttrs, .flags = ir::OpFlag::pointwise, .infer = infer_cast, .params = cast_params};
const ir::OpDef bit_cast_op{
    .name = "BitCast", .attrs = kBitCastAttrs, .flags = ir::OpFlag::pointwise, .infer = infer_bit_cast};
const ir::OpDef identity_op{
    .name = "Identity", .flags = ir::OpFlag::pointwise, .infer = infer_identity, .aliases = identity_aliases};

}  // namespace monza::ops
