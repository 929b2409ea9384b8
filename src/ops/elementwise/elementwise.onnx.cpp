// ONNX elementwise operators of every opset.
#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "import/api.h"
#include "ops/elementwise/elementwise.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

void import_unary(OnnxNode& n) {
  const UnaryOp& op = *find_unary(n.op_type());
  ir::Attrs attrs;
  // Up to opset 5, Selu had other defaults.
  const bool old_selu = op.kind == UnaryKind::selu && n.opset() < 6;
  for (const ir::AttrDef& attr : op.schema()) {
    const std::string_view name = attr.name;
    if (attr.kind == ir::AttrKind::string) {
      attrs.set(attr.name, n.s(name, attr.string));
    } else if (op.kind == UnaryKind::is_inf) {
      attrs.set(attr.name, static_cast<double>(n.i(name, 1)));
    } else {
      const float old = name == "alpha" ? 1.6732f : 1.0507f;
      attrs.set(attr.name, static_cast<double>(n.f(name, old_selu ? old : static_cast<float>(attr.number))));
    }
  }
  if (n.opset() < 6) n.ignore("consumed_inputs");  // a hint for in-place execution
  n.bind(0, n.add1(op.name, {n.input(0)}, std::move(attrs)));
}

/// Before opset 7, `broadcast` and `axis` said where the second operand's axes lie in the first's.
ir::ValueId legacy_broadcast(OnnxNode& n, ir::ValueId a, ir::ValueId b) {
  n.ignore("consumed_inputs");
  const bool broadcast = n.i("broadcast", 0) != 0;
  const std::size_t rank_a = n.type(a).rank(), rank_b = n.type(b).rank();
  const std::int64_t axis = n.i("axis", static_cast<std::int64_t>(rank_a) - static_cast<std::int64_t>(rank_b));
  if (!broadcast || axis < 0 || static_cast<std::size_t>(axis) + rank_b >= rank_a) return b;
  std::vector<std::int64_t> axes;
  for (std::size_t i = static_cast<std::size_t>(axis) + rank_b; i < rank_a; ++i)
    axes.push_back(static_cast<std::int64_t>(i) - axis);
  return n.add1("Unsqueeze", {b}, {{"axes", axes}});
}

ir::ValueId add_binary(OnnxNode& n, const char* op, ir::ValueId a, ir::ValueId b, ir::Attrs attrs = {}) {
  return n.add1(op, {a, b}, std::move(attrs));
}

void import_binary(OnnxNode& n) {
  const BinaryOp& op = *find_binary(n.op_type());
  const ir::ValueId a = n.input(0);
  ir::ValueId b = n.input(1);
  ir::Attrs attrs;
  if (op.kind == BinaryKind::equal && n.type(a).dtype == DType::string) {
    n.bind(0, n.add1("StringEqual", {a, b}));
    return;
  }
  if (op.kind == BinaryKind::mod) {
    attrs.set("fmod", n.i("fmod", 0));
  } else if (op.kind == BinaryKind::shift_left) {
    attrs.set("direction", n.s("direction", ""));
  }
  if (n.opset() < 7 && op.kind != BinaryKind::prelu) {
    b = legacy_broadcast(n, a, b);
  } else if (op.kind == BinaryKind::prelu) {
    if (n.opset() < 6) n.ignore("consumed_inputs");
    // Before opset 9 a slope of one axis holds one element per channel.
    if (n.opset() < 9 && n.type(b).rank() == 1 && n.type(a).rank() > 2 && !(n.type(b).shape[0] == ir::Expr(1))) {
      std::vector<std::int64_t> axes;
      for (std::size_t i = 2; i < n.type(a).rank(); ++i) axes.push_back(static_cast<std::int64_t>(i) - 1);
      b = n.add1("Unsqueeze", {b}, {{"axes", axes}});
    }
  }
  n.bind(0, add_binary(n, op.name, a, b, std::move(attrs)));
}

/// Min, Max, Sum and Mean of any number of operands: pairs, left to right.
void import_variadic(OnnxNode& n) {
  const std::string_view type = n.op_type();
  const char* op = type == "Min" ? "Min" : type == "Max" ? "Max" : "Add";
  n.ignore("consumed_inputs");
  ir::ValueId sum = n.input(0);
  for (int i = 1; i < n.input_count(); ++i) sum = add_binary(n, op, sum, n.input(i));
  if (type == "Mean" && n.input_count() > 1)
    sum = add_binary(n, "Div", sum, n.constant_value(ir::constant_scalar(n.type(sum).dtype, n.input_count())));
  n.bind(0, sum);
}

/// Clip(x, low?, high?). Without bounds it still takes infinities to the last finite numbers, which integers have not.
void add_clip(OnnxNode& n, std::vector<ir::ValueId> inputs) {
  while (inputs.size() > 1 && inputs.back() == ir::kNone) inputs.pop_back();
  const bool nothing = inputs.size() == 1 && is_integer(n.type(inputs[0]).dtype);
  n.bind(0, nothing ? inputs[0] : n.add1("Clip", std::move(inputs)));
}

void import_clip(OnnxNode& n) {
  std::vector<ir::ValueId> inputs{n.input(0)};
  for (int i = 1; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  add_clip(n, std::move(inputs));
}

/// Up to opset 10 the bounds were attributes.
void import_clip_attributes(OnnxNode& n) {
  n.ignore("consumed_inputs");
  constexpr float kLargest = std::numeric_limits<float>::max();
  const DType type = n.type(n.input(0)).dtype;
  std::vector<ir::ValueId> inputs{n.input(0), ir::kNone, ir::kNone};
  if (n.has_attr("min")) inputs[1] = n.constant_value(ir::constant_scalar(type, n.f("min", -kLargest)));
  if (n.has_attr("max")) inputs[2] = n.constant_value(ir::constant_scalar(type, n.f("max", kLargest)));
  add_clip(n, std::move(inputs));
}

void import_where(OnnxNode& n) { n.bind(0, n.add1("Where", {n.input(0), n.input(1), n.input(2)})); }

void cast_to(OnnxNode& n, DType to) {
  const ir::ValueId x = n.input(0);
  ir::Attrs attrs{{"to", std::string(dtype_name(to))}};
  if (to == DType::string || n.type(x).dtype == DType::string) {
    n.ignore("saturate");
    n.ignore("round_mode");
    n.bind(0, n.type(x).dtype == to ? x
              : to == DType::string ? n.add1("NumberToString", {x})
                                    : n.add1("StringToNumber", {x}, std::move(attrs)));
    return;
  }
  if (n.i("saturate", 1) == 0) attrs.set("saturate", std::int64_t{0});
  if (const std::string round = n.s("round_mode", "up"); round != "up") attrs.set("round_mode", round);
  n.bind(0, n.type(x).dtype == to ? x : n.add1("Cast", {x}, std::move(attrs)));
}

void import_cast(OnnxNode& n) {
  if (n.opset() >= 6) return cast_to(n, dtype_from_onnx(n.i("to", 0)));
  // Up to opset 5 the type was a name.
  static constexpr std::pair<std::string_view, DType> kNames[] = {
      {"FLOAT", DType::f32},  {"DOUBLE", DType::f64}, {"FLOAT16", DType::f16}, {"INT8", DType::i8},
      {"UINT8", DType::u8},   {"INT16", DType::i16},  {"UINT16", DType::u16},  {"INT32", DType::i32},
      {"UINT32", DType::u32}, {"INT64", DType::i64},  {"UINT64", DType::u64},  {"BOOL", DType::boolean}};
  const std::string name = n.s("to", "");
  for (const auto& [text, type] : kNames)
    if (text == name) return cast_to(n, type);
  fail("attribute to=\"{}\" names no element type", name);
}

void import_cast_like(OnnxNode& n) { cast_to(n, n.type(n.input(1)).dtype); }

void import_bit_cast(OnnxNode& n) {
  const DType to = dtype_from_onnx(n.i("to", 0));
  n.bind(0, n.add1("BitCast", {n.input(0)}, {{"to", std::string(dtype_name(to))}}));
}

/// No node: the output is another name of the input.
void import_identity(OnnxNode& n) { n.bind(0, n.input(0)); }

constexpr OnnxImporter kOtherImporters[] = {
    {.op_type = "Sum", .import = import_variadic},
    {.op_type = "Mean", .import = import_variadic},
    {.op_type = "Clip", .until = 10, .import = import_clip_attributes},
    {.op_type = "Clip", .since = 11, .import = import_clip},
    {.op_type = "Where", .import = import_where},
    {.op_type = "Cast", .import = import_cast},
    {.op_type = "CastLike", .import = import_cast_like},
    {.op_type = "BitCast", .import = import_bit_cast},
    {.op_type = "Identity", .import = import_identity},
};

/// ONNX names them as the graph does.
constexpr auto kImporters = [] {
  std::array<OnnxImporter, std::size(kUnary) + std::size(kBinary) + std::size(kOtherImporters)> importers;
  auto at = importers.begin();
  for (const UnaryOp& op : kUnary) *at++ = {.op_type = op.name, .import = import_unary};
  for (const BinaryOp& op : kBinary) {
    const bool any_number = op.kind == BinaryKind::min || op.kind == BinaryKind::max;
    *at++ = {.op_type = op.name, .import = any_number ? import_variadic : import_binary};
  }
  std::copy(std::begin(kOtherImporters), std::end(kOtherImporters), at);
  return importers;
}();

}  // namespace

extern const OnnxImporters elementwise_onnx{kImporters};

}  // namespace monza::ops
