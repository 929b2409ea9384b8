// NonZero, Compress, Unique, TopK, NonMaxSuppression: how many elements come out may depend on the data.
#include <cmath>

#include "ops/index/index.params.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// NonZero(x): i64 [rank, n], n at most the element count.
void infer_non_zero(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  const auto rank = static_cast<std::int64_t>(x.size());
  c.set_output(0, DType::i64, {rank, c.new_extent(0, ir::product(x))});
}

/// Compress(x, condition) {axis?}.
void infer_compress(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  if (c.dtype(1) != DType::boolean || c.shape(1).size() != 1) c.fail("the condition must be a list of booleans");
  if (!c.attrs().has("axis")) {
    c.set_output(0, c.dtype(0), {c.new_extent(0, smaller(ir::product(x), c.shape(1)[0]))});
    return;
  }
  const std::size_t axis = axis_of(c.attrs().i("axis"), x.size());
  ir::SymShape out = x;
  out[axis] = c.new_extent(0, smaller(x[axis], c.shape(1)[0]));
  c.set_output(0, c.dtype(0), std::move(out));
}

/// Unique(x) {axis?, sorted}: values, first indices, inverse, counts.
void infer_unique(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  if (!is_float(c.dtype(0)) && !is_integer(c.dtype(0)) && c.dtype(0) != DType::boolean)
    c.fail("element type {} is not supported", dtype_name(c.dtype(0)));
  const bool flat = !c.attrs().has("axis");
  const std::size_t axis = flat ? 0 : axis_of(c.attrs().i("axis"), x.size());
  const Expr rows = flat ? ir::product(x) : x[axis];
  const Expr count = c.new_extent(0, rows);
  ir::SymShape out = flat ? ir::SymShape{count} : x;
  if (!flat) out[axis] = count;
  c.set_output(0, c.dtype(0), std::move(out));
  c.set_output(1, DType::i64, {count});
  c.set_output(2, DType::i64, {rows});
  c.set_output(3, DType::i64, {count});
}

SelectParams params_of(const ir::NodeView& n) {
  SelectParams p;
  p.flat = !n.attrs().has("axis");
  if (!p.flat) p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  return p;
}

void params_compress(const ir::NodeView& n, ir::ParamsBlob& blob) { blob.set(params_of(n)); }

void params_unique(const ir::NodeView& n, ir::ParamsBlob& blob) {
  SelectParams p = params_of(n);
  p.sorted = n.attrs().i("sorted") != 0;
  blob.set(p);
}

/// TopK(x, k?) {k?, axis, largest, sorted}: values and their indices.
void infer_topk(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  if (!is_float(c.dtype(0)) && !is_integer(c.dtype(0)))
    c.fail("element type {} is not supported", dtype_name(c.dtype(0)));
  const std::size_t axis = axis_of(c.attrs().i("axis"), x.size());
  const Expr k = one_number(c, "k", 1);
  if (k.is_constant() && x[axis].is_constant() && k.constant() > x[axis].constant())
    c.fail("k is {}, but axis {} has {} elements", k.constant(), axis, x[axis].constant());
  if (is_negative(k) == true) c.fail("k is {}", ir::to_string(k));
  ir::SymShape out = x;
  out[axis] = k;
  c.set_output(0, c.dtype(0), out);
  c.set_output(1, DType::i64, std::move(out));
}

void params_topk(const ir::NodeView& n, ir::ParamsBlob& blob) {
  TopKParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  p.largest = n.attrs().i("largest") != 0;
  p.sorted = n.attrs().i("sorted") != 0;
  blob.set(p);
}

/// NonMaxSuppression(boxes, scores, most_per_class?, iou?, score?) {center_point_box}: i64 [n, 3] of batch, class, box.
void infer_nms(ir::InferContext& c) {
  const ir::SymShape boxes = c.shape(0), scores = c.shape(1);
  if (boxes.size() != 3 || scores.size() != 3)
    c.fail("boxes have rank {} and scores {}; both need 3", boxes.size(), scores.size());
  require_equal(boxes[2], 4, "a box has 4 coordinates");
  require_equal(boxes[0], scores[0], "boxes and scores differ in batch");
  require_equal(boxes[1], scores[2], "boxes and scores differ in count");
  if (c.dtype(0) != DType::f32 || c.dtype(1) != DType::f32) c.fail("boxes and scores must be f32");
  for (int i = 2; i < 5; ++i) {
    if (!c.has_input(i)) continue;
    if (!(ir::product(c.shape(i)) == Expr(1))) c.fail("input {} is not one element", i);
    if (c.dtype(i) != (i == 2 ? DType::i64 : DType::f32))
      c.fail("input {} has element type {}", i, dtype_name(c.dtype(i)));
  }
  Expr most = 0;
  if (c.has_input(2)) most = larger(0, smaller(c.content(2)[0], boxes[1]));
  c.set_output(0, DType::i64, {c.new_extent(0, scores[0] * scores[1] * most), 3});
}

void params_nms(const ir::NodeView& n, ir::ParamsBlob& blob) {
  NonMaxSuppressionParams p;
  p.center_point_box = n.attrs().i("center_point_box") != 0;
  blob.set(p);
}

/// Of sorting the input's elements, or rows of them.
double work_sort(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  constexpr double kComparison = 16;  // operations
  const double n = static_cast<double>(in[0].numel());
  return kComparison * n * std::log2(n + 2);
}

constexpr ir::AttrDef kCompressAttrs[] = {{"axis", ir::AttrKind::integer}};
constexpr ir::AttrDef kUniqueAttrs[] = {{"axis", ir::AttrKind::integer}, {"sorted", 1}};
constexpr ir::AttrDef kTopKAttrs[] = {{"k", ir::AttrKind::ints}, {"axis", -1}, {"largest", 1}, {"sorted", 1}};
constexpr ir::AttrDef kNmsAttrs[] = {{"center_point_box", 0}};

constexpr ir::OpDef kSelectOps[] = {
    {.name = "NonZero", .infer = infer_non_zero},
    {.name = "Compress",
     .attrs = kCompressAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_compress,
     .params = params_compress},
    {.name = "Unique",
     .attrs = kUniqueAttrs,
     .max_outputs = 4,
     .infer = infer_unique,
     .params = params_unique,
     .work = work_sort},
    {.name = "TopK",
     .attrs = kTopKAttrs,
     .max_inputs = 2,
     .max_outputs = 2,
     .infer = infer_topk,
     .params = params_topk,
     .work = work_sort,
     .shape_inputs = 2},
    // Not folded: how much work it is depends on the boxes.
    {.name = "NonMaxSuppression",
     .attrs = kNmsAttrs,
     .min_inputs = 2,
     .max_inputs = 5,
     .flags = ir::OpFlag::no_fold,
     .infer = infer_nms,
     .params = params_nms},
};

}  // namespace

extern const ir::OpList select_ops{kSelectOps};

}  // namespace monza::ops
