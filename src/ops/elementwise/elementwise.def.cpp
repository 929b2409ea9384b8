// Elementwise operators: names, types, shapes, parameters.
#include "ops/elementwise/elementwise.def.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "ops/shared/shapes.def.h"

#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

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

namespace {

constexpr ir::AttrDef kCastAttrs[] = {ir::required("to", ir::AttrKind::string), {"saturate", 1}, {"round_mode", "up"}};
constexpr ir::AttrDef kBitCastAttrs[] = {ir::required("to", ir::AttrKind::string)};

constexpr ir::OpDef definition(const UnaryOp& op) {
  return {.name = op.name,
          .attrs = op.schema(),
          .flags = ir::OpFlag::pointwise,
          .infer = infer_unary,
          .params = unary_params,
          .flops = one_flop};
}
constexpr ir::OpDef definition(const BinaryOp& op) {
  return {.name = op.name,
          .attrs = op.attrs,
          .min_inputs = 2,
          .max_inputs = 2,
          .flags = ir::OpFlag::pointwise | (op.commutative ? ir::OpFlag::commutative : ir::OpFlag::none),
          .infer = infer_binary,
          .params = binary_params,
          .flops = one_flop};
}
constexpr ir::OpDef kOthers[] = {
    {.name = "Clip",
     .min_inputs = 1,
     .max_inputs = 3,
     .flags = ir::OpFlag::pointwise,
     .infer = infer_clip,
     .flops = one_flop},
    {.name = "Where", .min_inputs = 3, .max_inputs = 3, .flags = ir::OpFlag::pointwise, .infer = infer_where},
    {.name = "Cast", .attrs = kCastAttrs, .flags = ir::OpFlag::pointwise, .infer = infer_cast, .params = cast_params},
    {.name = "BitCast", .attrs = kBitCastAttrs, .flags = ir::OpFlag::pointwise, .infer = infer_bit_cast},
    {.name = "Identity", .flags = ir::OpFlag::pointwise, .infer = infer_identity, .aliases = identity_aliases},
};

constexpr auto kOps = [] {
  std::array<ir::OpDef, std::size(kUnary) + std::size(kBinary) + std::size(kOthers)> ops;
  auto at = ops.begin();
  for (const UnaryOp& op : kUnary) *at++ = definition(op);
  for (const BinaryOp& op : kBinary) *at++ = definition(op);
  std::copy(std::begin(kOthers), std::end(kOthers), at);
  return ops;
}();

}  // namespace

extern const ir::OpList elementwise_ops{kOps};

}  // namespace monza::ops
