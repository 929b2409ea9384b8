// Shape, Size, ConstantOfShape, Range, EyeLike, OneHot: tensors made from shapes and scalars.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ops/move/move.params.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// Elements of a tensor whose length only the data says: more end the run with resource_exhausted.
constexpr std::int64_t kLongestRange = 1 << 16;

std::pair<std::size_t, std::size_t> shape_range(const ir::AttrReader& attrs, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  const auto clamp = [&](std::int64_t v) {
    if (v < 0) v += r;
    return static_cast<std::size_t>(v < 0 ? 0 : v > r ? r : v);
  };
  const std::size_t start = clamp(attrs.i("start")), end = attrs.has("end") ? clamp(attrs.i("end")) : rank;
  return {start, end < start ? start : end};
}

/// Shape(x) {start, end}: i64.
void infer_shape(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  const auto [start, end] = shape_range(c.attrs(), x.size());
  c.set_output(0, DType::i64, {static_cast<std::int64_t>(end - start)});
  c.set_content(0, {x.begin() + static_cast<std::ptrdiff_t>(start), x.begin() + static_cast<std::ptrdiff_t>(end)});
}

void params_shape(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ShapeParams p;
  p.start = static_cast<std::int32_t>(shape_range(n.attrs(), n.input(0).rank()).first);
  blob.set(p);
}

/// Size(x): i64 scalar.
void infer_size(ir::InferContext& c) {
  const Expr count = ir::product(c.shape(0));
  c.set_output(0, DType::i64, {});
  c.set_content(0, {count});
}

/// The `value` attribute (one element; f32 zero when absent) as type and bits.
DType fill_value(const ir::AttrReader& attrs, std::uint64_t bits[2]) {
  bits[0] = bits[1] = 0;
  const auto value = attrs.tensor("value");
  if (!value) return DType::f32;
  if (value->numel() != 1) fail("value has {} elements, not 1", value->numel());
  if (value->dtype == DType::string) fail("a string cannot be repeated");
  std::memcpy(bits, value->bytes.data(), std::min<std::size_t>(value->bytes.size(), 16));
  return value->dtype;
}

/// ConstantOfShape(shape?) {shape?, value}.
void infer_constant_of_shape(ir::InferContext& c) {
  std::uint64_t bits[2];
  const DType type = fill_value(c.attrs(), bits);
  ir::SymShape out = numbers(c, "shape", 0);
  for (const Expr& e : out)
    if (is_negative(e) == true) c.fail("the shape {} has a negative extent", ir::to_string(out));
  const auto count = ir::product(out).try_constant();
  c.set_output(0, type, std::move(out));
  if (!count || *count > ir::kMaxContent || !(is_integer(type) || type == DType::boolean)) return;
  const auto value = c.attrs().tensor("value");
  c.set_content(0, std::vector<Expr>(static_cast<std::size_t>(*count), ir::to_ints(*value)[0]));
}

void params_fill(const ir::NodeView& n, ir::ParamsBlob& blob) {
  FillParams p;
  fill_value(n.attrs(), p.value);
  blob.set(p);
}

/// Elements of a Range whose limits are shape arithmetic in floats with fractions.
std::optional<Expr> count_of_fractions(const ir::InferContext& c) {
  const auto start = c.known_fractions(0), limit = c.known_fractions(1), delta = c.known_fractions(2);
  if (!start || !limit || !delta) return std::nullopt;
  std::int64_t common = 1;
  for (const auto& f : {start, limit, delta}) {
    if (!std::has_single_bit(static_cast<std::uint64_t>(f->divisor))) return std::nullopt;  // not exact in floats
    common = std::max(common, f->divisor);
  }
  const auto scaled = [&](const ir::Fractions& f) { return f.numerators[0] * Expr(common / f.divisor); };
  if (scaled(*delta) == Expr(0)) c.fail("delta is 0");
  return larger(0, ir::ceil_div(scaled(*limit) - scaled(*start), scaled(*delta)));
}

/// Range(start, limit, delta): scalars of one type.
void infer_range(ir::InferContext& c) {
  const DType type = c.dtype(0);
  for (int i = 0; i < 3; ++i) {
    if (c.dtype(i) != type)
      c.fail("input {} has element type {}, input 0 {}", i, dtype_name(c.dtype(i)), dtype_name(type));
    if (!(ir::product(c.shape(i)) == Expr(1))) c.fail("input {} is not a scalar", i);
  }
  const bool known = c.known_content(0) && c.known_content(1) && c.known_content(2);
  if (is_integer(type) || known) {
    const Expr start = c.content(0)[0], limit = c.content(1)[0], delta = c.content(2)[0];
    if (delta == Expr(0)) c.fail("delta is 0");
    const Expr count = larger(0, ir::ceil_div(limit - start, delta));
    c.set_output(0, type, {count});
    // Elements that are themselves read at run time would only repeat the arithmetic.
    const auto length = count.try_constant();
    if (!length || *length > ir::kMaxContent || !c.known_content(0) || !c.known_content(2)) return;
    std::vector<Expr> content;
    for (std::int64_t i = 0; i < *length; ++i) content.push_back(start + Expr(i) * delta);
    c.set_content(0, std::move(content));
    return;
  }
  const ir::Constant *start = c.constant(0), *limit = c.constant(1), *delta = c.constant(2);
  if (!start || !limit || !delta) {
    const auto count = count_of_fractions(c);
    c.set_output(0, type, {count ? *count : c.new_extent(0, kLongestRange)});
    return;
  }
  const double step = ir::to_doubles(*delta)[0];
  if (step == 0) c.fail("delta is 0");
  const double count = std::ceil((ir::to_doubles(*limit)[0] - ir::to_doubles(*start)[0]) / step);
  if (!(count < 1e12)) c.fail("the range has {} elements", count);
  c.set_output(0, type, {count > 0 ? static_cast<std::int64_t>(count) : 0});
}

void params_range(const ir::NodeView& n, ir::ParamsBlob& blob) {
  RangeParams p;
  p.reports = reports_extents(n);
  blob.set(p);
}

/// EyeLike(x) {dtype?, k}.
void infer_eye(ir::InferContext& c) {
  if (c.shape(0).size() != 2) c.fail("input has rank {}, not 2", c.shape(0).size());
  const std::string type = c.attrs().s("dtype");
  c.set_output(0, type.empty() ? c.dtype(0) : parse_dtype(type), c.shape(0));
}

void params_eye(const ir::NodeView& n, ir::ParamsBlob& blob) {
  EyeParams p;
  p.k = n.attrs().i("k");
  blob.set(p);
}

/// OneHot(indices, depth, values [off, on]) {axis}: a new axis of extent depth.
void infer_one_hot(ir::InferContext& c) {
  const ir::SymShape& indices = c.shape(0);
  if (!(ir::product(c.shape(1)) == Expr(1)))
    c.fail("depth has the shape {}, not one element", ir::to_string(c.shape(1)));
  require_equal(ir::product(c.shape(2)), 2, "values must be [off, on]");
  const std::size_t axis = axis_of(c.attrs().i("axis"), indices.size() + 1);
  ir::SymShape out = indices;
  Expr depth;
  if (is_integer(c.dtype(1)) || c.known_content(1)) depth = c.content(1)[0];
  else if (c.constant(1)) depth = static_cast<std::int64_t>(ir::to_doubles(*c.constant(1))[0]);
  else depth = c.new_extent(0, kLongestRange);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  c.set_output(0, c.dtype(2), std::move(out));
}

void params_one_hot(const ir::NodeView& n, ir::ParamsBlob& blob) {
  OneHotParams p;
  p.axis = static_cast<std::int64_t>(axis_of(n.attrs().i("axis"), n.input(0).rank() + 1));
  p.reports = reports_extents(n);
  blob.set(p);
}

constexpr ir::AttrDef kShapeAttrs[] = {{"start", 0}, {"end", ir::AttrKind::integer}};
constexpr ir::AttrDef kConstantOfShapeAttrs[] = {{"shape", ir::AttrKind::ints}, {"value", ir::AttrKind::tensor}};
constexpr ir::AttrDef kEyeAttrs[] = {{"dtype", ""}, {"k", 0}};
constexpr ir::AttrDef kOneHotAttrs[] = {{"axis", -1}};

constexpr ir::OpDef kMakeOps[] = {
    {.name = "Shape", .attrs = kShapeAttrs, .infer = infer_shape, .params = params_shape},
    {.name = "Size", .infer = infer_size},
    {.name = "ConstantOfShape",
     .attrs = kConstantOfShapeAttrs,
     .min_inputs = 0,
     .infer = infer_constant_of_shape,
     .params = params_fill,
     .shape_inputs = 1},
    {.name = "Range", .min_inputs = 3, .max_inputs = 3, .infer = infer_range, .params = params_range},
    {.name = "EyeLike", .attrs = kEyeAttrs, .infer = infer_eye, .params = params_eye, .shape_inputs = 1},
    {.name = "OneHot",
     .attrs = kOneHotAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_one_hot,
     .params = params_one_hot},
};

}  // namespace

extern const ir::OpList make_ops{kMakeOps};

}  // namespace monza::ops
