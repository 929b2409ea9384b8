// Sequences and optionals: what is known of their tensors at build.
#include <algorithm>

#include "ops/sequence/sequence.params.h"
#include "ops/shared/lists.def.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {

using ir::Elements;
using ir::Expr;
using ir::ValueKind;

namespace {

ir::Type of_tensor(const ir::Type& tensor, ValueKind kind) { return {tensor.dtype, tensor.shape, kind}; }

void require_sequence(const ir::InferContext& c, int i) {
  if (c.input(i).kind != ValueKind::sequence)
    c.fail("input {} must be a sequence, but is {}", i, ir::to_string(c.input(i)));
}
void require_tensor(const ir::InferContext& c, int i) {
  if (c.input(i).kind != ValueKind::tensor)
    c.fail("input {} must be a tensor, but is {}", i, ir::to_string(c.input(i)));
}
void require_position(const ir::InferContext& c, int i) {
  if (!c.has_input(i)) return;
  require_tensor(c, i);
  if (c.dtype(i) != DType::i32 && c.dtype(i) != DType::i64) c.fail("a position is {}", ir::to_string(c.input(i)));
  require_equal(ir::product(c.shape(i)), 1, "there must be one position");
}

/// SequenceConstruct(tensors...) {dtype?, optional?}: a sequence of them, or an optional of the one.
void infer_construct(ir::InferContext& c) {
  const bool optional = c.attrs().i("optional") != 0;
  ir::Type type;
  type.kind = optional ? ValueKind::optional : ValueKind::sequence;
  type.elements = Elements::none;
  type.dtype = c.input_count() > 0 ? c.dtype(0) : parse_dtype(c.attrs().s("dtype"));
  if (optional && c.input_count() != 1) c.fail("an optional of {} tensors", c.input_count());
  for (int i = 0; i < c.input_count(); ++i) {
    require_tensor(c, i);
    type = joined(type, of_tensor(c.input(i), type.kind));
  }
  c.set_output(0, std::move(type));
}

/// SequenceInsert(sequence, tensor, position?).
void infer_insert(ir::InferContext& c) {
  require_sequence(c, 0);
  require_tensor(c, 1);
  require_position(c, 2);
  c.set_output(0, joined(c.input(0), of_tensor(c.input(1), ValueKind::sequence)));
}

/// SequenceErase(sequence, position?).
void infer_erase(ir::InferContext& c) {
  require_sequence(c, 0);
  require_position(c, 1);
  c.set_output(0, c.input(0));
}

/// SequenceLength(sequence): i64 scalar.
void infer_length(ir::InferContext& c) {
  require_sequence(c, 0);
  c.set_output(0, DType::i64, {});
}

void require_shaped(const ir::InferContext& c) {
  const ir::Type& list = c.input(0);
  if (list.elements == Elements::none) c.fail("the sequence holds nothing at this point");
  if (list.elements == Elements::unknown)
    fail_hint("give the extents of the tensors in the sequence: --max-shape NAME=...",
              "the tensors of {} may have any rank", ir::to_string(list));
}

/// The extents of a list's tensors: those that vary are reported in the order of the axes.
ir::SymShape element_shape(ir::InferContext& c, const ir::Type& list) {
  ir::SymShape shape = list.shape;
  for (std::size_t a = 0; a < shape.size(); ++a)
    if ((list.varying >> a & 1) != 0) shape[a] = c.new_extent(0, shape[a]);
  return shape;
}

/// SequenceAt(sequence, position).
void infer_at(ir::InferContext& c) {
  require_sequence(c, 0);
  require_position(c, 1);
  require_shaped(c);
  c.set_output(0, c.dtype(0), element_shape(c, c.input(0)));
}

void params_at(const ir::NodeView& n, ir::ParamsBlob& blob) {
  SequenceAtParams p;
  p.varying = n.input(0).varying;
  blob.set(p);
}

/// OptionalGet(optional): the tensor. OptionalGetSequence(optional): the sequence.
void infer_get(ir::InferContext& c) {
  if (c.input(0).kind != ValueKind::optional)
    c.fail("input 0 must be an optional, but is {}", ir::to_string(c.input(0)));
  require_shaped(c);
  c.set_output(0, c.dtype(0), element_shape(c, c.input(0)));
}
void infer_get_sequence(ir::InferContext& c) {
  if (c.input(0).kind != ValueKind::optional_sequence)
    c.fail("input 0 must be an optional sequence, but is {}", ir::to_string(c.input(0)));
  ir::Type type = c.input(0);
  type.kind = ValueKind::sequence;
  c.set_output(0, std::move(type));
}

/// OptionalHas(optional): boolean scalar.
void infer_has(ir::InferContext& c) {
  if (!is_list(c.input(0))) c.fail("input 0 must be an optional, but is {}", ir::to_string(c.input(0)));
  c.set_output(0, DType::boolean, {});
}

/// OptionalOf(sequence): an optional that holds it.
void infer_optional_of(ir::InferContext& c) {
  require_sequence(c, 0);
  ir::Type type = c.input(0);
  type.kind = ValueKind::optional_sequence;
  c.set_output(0, std::move(type));
}

/// OptionalNone() {dtype, sequence}: an optional that holds nothing.
void infer_none(ir::InferContext& c) {
  ir::Type type;
  type.kind = c.attrs().i("sequence") != 0 ? ValueKind::optional_sequence : ValueKind::optional;
  type.elements = Elements::none;
  type.dtype = parse_dtype(c.attrs().s("dtype"));
  c.set_output(0, std::move(type));
}

/// SplitToSequence(x, split?) {axis, keepdims}: pieces of the sizes that `split` lists, or all of the one size it is,
/// or single indices.
void infer_split(ir::InferContext& c) {
  require_tensor(c, 0);
  const ir::SymShape& x = c.shape(0);
  const std::size_t axis = axis_of(c.attrs().i("axis"), x.size());
  ir::Type type = of_tensor(c.input(0), ValueKind::sequence);
  if (!c.has_input(1)) {
    type.shape[axis] = 1;
    if (c.attrs().i("keepdims") == 0) type.shape.erase(type.shape.begin() + static_cast<std::ptrdiff_t>(axis));
    c.set_output(0, std::move(type));
    return;
  }
  if ((c.dtype(1) != DType::i32 && c.dtype(1) != DType::i64) || c.shape(1).size() > 1)
    c.fail("split must be an integer or a list of them, but is {}", ir::to_string(c.input(1)));
  const auto sizes = c.known_content(1);
  const auto known = sizes ? all_constant(*sizes) : std::nullopt;
  if (!known || known->empty()) {
    set_varying(type, axis, x[axis]);
  } else {
    const auto [least, most] = std::minmax_element(known->begin(), known->end());
    const auto whole = x[axis].try_constant();
    const bool even = *least == *most && (c.shape(1).size() == 1 || (whole && *most > 0 && *whole % *most == 0));
    if (even) type.shape[axis] = *most;
    else set_varying(type, axis, smaller(x[axis], *most));
  }
  c.set_output(0, std::move(type));
}

void params_split(const ir::NodeView& n, ir::ParamsBlob& blob) {
  SplitToSequenceParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  p.keep = n.has_input(1) || n.attrs().i("keepdims") != 0 ? 1 : 0;
  blob.set(p);
}

/// ConcatFromSequence(sequence) {axis, new_axis}.
ConcatFromSequenceParams concat_params(const ir::AttrReader& attrs, const ir::Type& list) {
  ConcatFromSequenceParams p;
  p.stacks = attrs.i("new_axis") != 0 ? 1 : 0;
  p.axis = static_cast<std::int32_t>(axis_of(attrs.i("axis"), list.rank() + (p.stacks != 0 ? 1 : 0)));
  for (std::size_t a = 0; a < list.rank(); ++a) {
    const std::size_t to = p.stacks != 0 && a >= static_cast<std::size_t>(p.axis) ? a + 1 : a;
    p.varying |= static_cast<std::uint32_t>(list.varying >> a & 1) << to;
  }
  p.varying |= 1u << p.axis;
  return p;
}

void infer_concat(ir::InferContext& c) {
  require_sequence(c, 0);
  require_shaped(c);
  const ConcatFromSequenceParams p = concat_params(c.attrs(), c.input(0));
  const auto axis = static_cast<std::size_t>(p.axis);
  ir::SymShape shape = c.shape(0);
  if (p.stacks != 0) shape.insert(shape.begin() + p.axis, Expr(1));
  shape[axis] = shape[axis] * Expr(ConcatFromSequenceParams::kMostTensors);
  for (std::size_t a = 0; a < shape.size(); ++a)
    if ((p.varying >> a & 1) != 0) shape[a] = c.new_extent(0, shape[a]);
  c.set_output(0, c.dtype(0), std::move(shape));
}

void params_concat(const ir::NodeView& n, ir::ParamsBlob& blob) { blob.set(concat_params(n.attrs(), n.input(0))); }

constexpr ir::AttrDef kConstructAttrs[] = {{"dtype", "f32"}, {"optional", 0}};
constexpr ir::AttrDef kNoneAttrs[] = {ir::required("dtype", ir::AttrKind::string), {"sequence", 0}};
constexpr ir::AttrDef kSplitAttrs[] = {{"axis", 0}, {"keepdims", 1}};
constexpr ir::AttrDef kConcatAttrs[] = {{"axis", 0}, {"new_axis", 0}};

constexpr ir::OpDef kOps[] = {
    {.name = "SequenceConstruct",
     .attrs = kConstructAttrs,
     .min_inputs = 0,
     .max_inputs = 1 << 16,
     .infer = infer_construct},
    {.name = "SequenceInsert", .min_inputs = 2, .max_inputs = 3, .infer = infer_insert},
    {.name = "SequenceErase", .max_inputs = 2, .infer = infer_erase},
    {.name = "SequenceLength", .infer = infer_length},
    {.name = "SequenceAt", .min_inputs = 2, .max_inputs = 2, .infer = infer_at, .params = params_at},
    {.name = "SplitToSequence", .attrs = kSplitAttrs, .max_inputs = 2, .infer = infer_split, .params = params_split},
    {.name = "ConcatFromSequence", .attrs = kConcatAttrs, .infer = infer_concat, .params = params_concat},
    {.name = "OptionalGet", .infer = infer_get, .params = params_at},
    {.name = "OptionalGetSequence", .infer = infer_get_sequence},
    {.name = "OptionalHas", .infer = infer_has},
    {.name = "OptionalOf", .infer = infer_optional_of},
    {.name = "OptionalNone", .attrs = kNoneAttrs, .min_inputs = 0, .max_inputs = 0, .infer = infer_none},
};

}  // namespace

extern const ir::OpList sequence_ops{kOps};

}  // namespace monza::ops
