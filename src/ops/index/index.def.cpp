// Gather*, Scatter*, TensorScatter: elements picked or placed by index tensors.
#include "ops/index/index.params.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

void require_indices(const ir::InferContext& c, int i) {
  if (c.dtype(i) != DType::i64 && c.dtype(i) != DType::i32)
    c.fail("indices have element type {}; i32 and i64 are supported", dtype_name(c.dtype(i)));
}

/// Gather(x, indices) {axis}: x.shape[:axis] + indices.shape + x.shape[axis + 1:].
void infer_gather(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &indices = c.shape(1);
  require_indices(c, 1);
  const std::size_t axis = axis_of(c.attrs().i("axis"), x.size());
  ir::SymShape out(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), x.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.end());
  const auto picks = c.known_content(1);
  const auto constant_picks = picks ? all_constant(*picks) : std::nullopt;
  if (constant_picks && x[axis].is_constant())
    for (std::int64_t p : *constant_picks)
      if (p < -x[axis].constant() || p >= x[axis].constant())
        c.fail("index {} lies outside axis {} of extent {}", p, axis, x[axis].constant());
  const auto content = c.known_content(0);
  const bool list = x.size() == 1;
  c.set_output(0, c.dtype(0), std::move(out));
  if (!content || !constant_picks || !list) return;
  std::vector<Expr> picked;
  for (std::int64_t p : *constant_picks)
    picked.push_back((*content)[static_cast<std::size_t>(p < 0 ? p + static_cast<std::int64_t>(content->size()) : p)]);
  c.set_content(0, std::move(picked));
}

void params_gather(const ir::NodeView& n, ir::ParamsBlob& blob) {
  GatherParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  blob.set(p);
}

/// One index known at build is a view: x without its axis, from that index.
void alias_gather(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  const ir::SymShape& x = n.input(0).shape;
  const auto picks = constant_numbers(n, 1);
  if (!picks || picks->size() != 1) return;
  const std::size_t axis = axis_of(n.attrs().i("axis"), x.size()), added = n.input(1).rank();
  ir::Alias view;
  for (std::size_t i = 0; i < x.size(); ++i) {
    view.start.emplace_back(0);
    if (i != axis) {
      view.axes.push_back({static_cast<int>(i), 1});
      continue;
    }
    view.start[i] = (*picks)[0] < 0 ? x[i] + Expr((*picks)[0]) : Expr((*picks)[0]);
    for (std::size_t k = 0; k < added; ++k) view.axes.push_back({-1, 1});
  }
  list.push_back(std::move(view));
}

/// GatherElements(x, indices) {axis}: the shape of indices.
void infer_gather_elements(ir::InferContext& c) {
  require_indices(c, 1);
  if (c.shape(0).size() != c.shape(1).size())
    c.fail("indices have rank {}, the input {}", c.shape(1).size(), c.shape(0).size());
  axis_of(c.attrs().i("axis"), c.shape(0).size());
  c.set_output(0, c.dtype(0), c.shape(1));
}

void require_tuples(const ir::InferContext& c) {
  require_indices(c, 1);
  if (c.shape(1).empty()) c.fail("indices are a scalar; their last axis must hold the tuples");
}

/// Extent of the last axis of `indices`: how many axes one index tuple spans.
std::size_t tuple_length(const ir::InferContext& c, std::size_t at_most) {
  const ir::SymShape& indices = c.shape(1);
  const auto length = indices.back().try_constant();
  if (!length) c.fail("the last extent of indices, {}, must be known at build", ir::to_string(indices.back()));
  if (*length < 0 || static_cast<std::size_t>(*length) > at_most)
    c.fail("index tuples have {} elements, only {} axes are left", *length, at_most);
  return static_cast<std::size_t>(*length);
}

/// GatherND(x, indices [..., k]) {batch_dims}.
void infer_gather_nd(ir::InferContext& c) {
  require_tuples(c);
  const ir::SymShape &x = c.shape(0), &indices = c.shape(1);
  const std::int64_t batch = c.attrs().i("batch_dims");
  if (batch < 0 || static_cast<std::size_t>(batch) >= indices.size() || static_cast<std::size_t>(batch) >= x.size())
    c.fail("batch_dims is {}, input ranks are {} and {}", batch, x.size(), indices.size());
  const auto b = static_cast<std::size_t>(batch);
  const std::size_t k = tuple_length(c, x.size() - b);
  ir::SymShape out(indices.begin(), indices.end() - 1);
  out.insert(out.end(), x.begin() + static_cast<std::ptrdiff_t>(b + k), x.end());
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_gather_nd(const ir::NodeView& n, ir::ParamsBlob& blob) {
  GatherParams p;
  p.batch_dims = static_cast<std::int32_t>(n.attrs().i("batch_dims"));
  blob.set(p);
}

ScatterParams::Reduction reduction_of(const ir::AttrReader& attrs) {
  const std::string text = attrs.s("reduction");
  if (text == "none") return ScatterParams::Reduction::none;
  if (text == "add") return ScatterParams::Reduction::add;
  if (text == "mul") return ScatterParams::Reduction::mul;
  if (text == "max") return ScatterParams::Reduction::max;
  if (text == "min") return ScatterParams::Reduction::min;
  fail("reduction \"{}\" is not known", text);
}

void require_updates(const ir::InferContext& c) {
  if (c.dtype(2) != c.dtype(0))
    c.fail("updates have element type {}, the input {}", dtype_name(c.dtype(2)), dtype_name(c.dtype(0)));
  reduction_of(c.attrs());
}

/// ScatterElements(x, indices, updates) {axis, reduction}.
void infer_scatter_elements(ir::InferContext& c) {
  require_indices(c, 1);
  require_updates(c);
  const ir::SymShape &indices = c.shape(1), &updates = c.shape(2);
  if (indices.size() != c.shape(0).size() || updates.size() != indices.size())
    c.fail("ranks differ: input {}, indices {}, updates {}", c.shape(0).size(), indices.size(), updates.size());
  for (std::size_t i = 0; i < indices.size(); ++i) require_equal(indices[i], updates[i], "indices and updates differ");
  axis_of(c.attrs().i("axis"), indices.size());
  c.set_output(0, c.dtype(0), c.shape(0));
}

/// ScatterND(x, indices [..., k], updates [..., x.shape[k:]]) {reduction}.
void infer_scatter_nd(ir::InferContext& c) {
  require_tuples(c);
  require_updates(c);
  const ir::SymShape &x = c.shape(0), &indices = c.shape(1), &updates = c.shape(2);
  const std::size_t k = tuple_length(c, x.size());
  ir::SymShape expected(indices.begin(), indices.end() - 1);
  expected.insert(expected.end(), x.begin() + static_cast<std::ptrdiff_t>(k), x.end());
  if (updates.size() != expected.size()) c.fail("updates have rank {}, not {}", updates.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    require_equal(updates[i], expected[i], "updates do not fit indices and input");
  c.set_output(0, c.dtype(0), x);
}

void params_scatter_nd(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ScatterParams p;
  p.reduction = reduction_of(n.attrs());
  blob.set(p);
}

void params_scatter_elements(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ScatterParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  p.reduction = reduction_of(n.attrs());
  blob.set(p);
}

/// TensorScatter(cache, update, write_indices?) {axis, mode}.
void infer_tensor_scatter(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &update = c.shape(1);
  if (x.size() != update.size()) c.fail("cache has rank {}, update {}", x.size(), update.size());
  const std::size_t axis = axis_of(c.attrs().i("axis"), x.size());
  if (axis == 0) c.fail("axis 0 is the batch");
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i != axis) require_equal(x[i], update[i], "cache and update differ");
  if (c.dtype(0) != c.dtype(1)) c.fail("cache and update differ in element type");
  if (c.has_input(2)) {
    if (c.shape(2).size() != 1) c.fail("write_indices have rank {}, not 1", c.shape(2).size());
    require_equal(c.shape(2)[0], x[0], "write_indices and batch differ");
    require_indices(c, 2);
  }
  const std::string mode = c.attrs().s("mode");
  if (mode != "linear" && mode != "circular") c.fail("mode \"{}\" is not known", mode);
  c.set_output(0, c.dtype(0), x);
}

void params_tensor_scatter(const ir::NodeView& n, ir::ParamsBlob& blob) {
  TensorScatterParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  p.circular = n.attrs().s("mode") == "circular";
  blob.set(p);
}

constexpr ir::AttrDef kGatherAttrs[] = {{"axis", 0}};
constexpr ir::AttrDef kGatherNdAttrs[] = {{"batch_dims", 0}};
constexpr ir::AttrDef kScatterElementsAttrs[] = {{"axis", 0}, {"reduction", "none"}};
constexpr ir::AttrDef kScatterNdAttrs[] = {{"reduction", "none"}};
constexpr ir::AttrDef kTensorScatterAttrs[] = {{"axis", -2}, {"mode", "linear"}};

constexpr ir::OpDef kIndexOps[] = {
    {.name = "Gather",
     .attrs = kGatherAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather,
     .params = params_gather,
     .aliases = alias_gather},
    {.name = "GatherElements",
     .attrs = kGatherAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather_elements,
     .params = params_gather},
    {.name = "GatherND",
     .attrs = kGatherNdAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_gather_nd,
     .params = params_gather_nd},
    {.name = "ScatterElements",
     .attrs = kScatterElementsAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_scatter_elements,
     .params = params_scatter_elements},
    {.name = "ScatterND",
     .attrs = kScatterNdAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .infer = infer_scatter_nd,
     .params = params_scatter_nd},
    {.name = "TensorScatter",
     .attrs = kTensorScatterAttrs,
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer_tensor_scatter,
     .params = params_tensor_scatter},
};

}  // namespace

extern const ir::OpList index_ops{kIndexOps};

}  // namespace monza::ops
