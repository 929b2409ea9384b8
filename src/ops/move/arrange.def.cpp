// Transpose, Expand, Tile, Concat, Split, DepthToSpace, SpaceToDepth.
#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/move/move.params.h"
#include "ops/shared/shapes.def.h"

namespace monza::ops {
namespace {

using ir::Expr;

std::vector<std::size_t> permutation(const ir::AttrReader& attrs, std::size_t rank) {
  const auto perm = attrs.ints("perm");
  if (perm.size() != rank) fail("perm has {} entries for rank {}", perm.size(), rank);
  // Passes compose permutations, so they have one spelling: axes from the end, which others take, are refused.
  for (const std::int64_t axis : perm)
    if (axis < 0) fail("perm has the entry {}, and axes of perm count from 0", axis);
  return axes_of(perm, rank);
}

void infer_transpose(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  ir::SymShape out;
  const auto perm = permutation(c.attrs(), x.size());
  for (std::size_t axis : perm) out.push_back(x[axis]);
  const auto in = static_shape(x);
  const auto content = in ? c.known_content(0) : std::nullopt;
  c.set_output(0, c.dtype(0), out);
  if (!content) return;
  std::vector<std::int64_t> extents;
  for (std::size_t axis : perm) extents.push_back((*in)[axis]);
  std::vector<Expr> moved;
  for_each_index(extents, [&](const std::vector<std::int64_t>& at) {
    std::vector<std::int64_t> source(at.size());
    for (std::size_t i = 0; i < at.size(); ++i) source[perm[i]] = at[i];
    std::int64_t linear = 0;
    for (std::size_t i = 0; i < at.size(); ++i) linear = linear * (*in)[i] + source[i];
    moved.push_back((*content)[static_cast<std::size_t>(linear)]);
  });
  c.set_content(0, std::move(moved));
}

void params_transpose(const ir::NodeView& n, ir::ParamsBlob& blob) {
  TransposeParams p;
  const auto perm = permutation(n.attrs(), n.input(0).rank());
  p.rank = static_cast<std::int32_t>(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) p.perm[i] = static_cast<std::int32_t>(perm[i]);
  blob.set(p);
}

void alias_transpose(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  ir::Alias view;
  for (std::size_t axis : permutation(n.attrs(), n.input(0).rank())) view.axes.push_back({static_cast<int>(axis), 1});
  list.push_back(std::move(view));
}

/// Extent of two broadcast axes.
Expr broadcast(const ir::Model& model, const Expr& a, const Expr& b) {
  if (a == b || b == Expr(1)) return a;
  if (a == Expr(1)) return b;
  require_equal(a, b, "extents cannot be broadcast");
  if (a.is_constant()) return a;
  if (b.is_constant()) return b;
  return broadcast_extent(model, a, b);
}

/// Expand(x, shape?) {shape?}: numpy's broadcasting of x with the shape.
void infer_expand(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::vector<Expr> target = numbers(c, "shape", 1);
  ir::SymShape out(std::max(x.size(), target.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::ptrdiff_t a = static_cast<std::ptrdiff_t>(i + x.size()) - static_cast<std::ptrdiff_t>(out.size());
    const std::ptrdiff_t b = static_cast<std::ptrdiff_t>(i + target.size()) - static_cast<std::ptrdiff_t>(out.size());
    out[i] = broadcast(c.model(), a >= 0 ? x[static_cast<std::size_t>(a)] : Expr(1),
                       b >= 0 ? target[static_cast<std::size_t>(b)] : Expr(1));
  }
  const auto extents = static_shape(out), in = static_shape(x);
  const auto content = c.known_content(0);
  c.set_output(0, c.dtype(0), out);
  if (!extents || !in || !content || ir::product(out).constant() > ir::kMaxContent) return;
  std::vector<Expr> repeated;
  for_each_index(*extents, [&](const std::vector<std::int64_t>& at) {
    std::size_t linear = 0;
    for (std::size_t i = 0; i < in->size(); ++i) {
      const std::int64_t e = (*in)[i];
      linear =
          linear * static_cast<std::size_t>(e) + static_cast<std::size_t>(e == 1 ? 0 : at[i + at.size() - in->size()]);
    }
    repeated.push_back((*content)[linear]);
  });
  c.set_content(0, std::move(repeated));
}

void alias_expand(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  const ir::SymShape &x = n.input(0).shape, &out = n.output(0).shape;
  ir::Alias view;
  const std::size_t added = out.size() - x.size();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i < added) {
      view.axes.push_back({-1, 1});
      continue;
    }
    const Expr& e = x[i - added];
    // An extent that may or may not be 1 at run time has no stride known at build.
    if (e == out[i]) view.axes.push_back({static_cast<int>(i - added), 1});
    else if (e == Expr(1)) view.axes.push_back({-1, 1});
    else return;
  }
  list.push_back(std::move(view));
}

/// Tile(x, repeats?) {repeats?}.
void infer_tile(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::vector<Expr> repeats = numbers(c, "repeats", 1);
  if (repeats.size() != x.size()) c.fail("{} repeats for rank {}", repeats.size(), x.size());
  ir::SymShape out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (is_negative(repeats[i]) == true) c.fail("repeat {} of axis {} is negative", ir::to_string(repeats[i]), i);
    out.push_back(x[i] * repeats[i]);
  }
  c.set_output(0, c.dtype(0), out);
  if (x.size() != 1 || !x[0].is_constant() || !repeats[0].is_constant()) return;
  const auto content = c.known_content(0);
  if (!content || out[0].constant() > ir::kMaxContent) return;
  std::vector<Expr> repeated;
  for (std::int64_t k = 0; k < repeats[0].constant(); ++k)
    repeated.insert(repeated.end(), content->begin(), content->end());
  c.set_content(0, std::move(repeated));
}

void params_axis(const ir::NodeView& n, ir::ParamsBlob& blob) {
  AxisParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  blob.set(p);
}

/// Concat(x...) {axis}.
void infer_concat(ir::InferContext& c) {
  const ir::SymShape& first = c.shape(0);
  const std::size_t axis = axis_of(c.attrs().i("axis"), first.size());
  ir::SymShape out = first;
  std::vector<Expr> content;
  bool known = axis == 0;
  for (int i = 0; i < c.input_count(); ++i) {
    const ir::SymShape& x = c.shape(i);
    if (c.dtype(i) != c.dtype(0)) c.fail("input {} has another element type than input 0", i);
    if (x.size() != first.size()) c.fail("input {} has rank {}, input 0 {}", i, x.size(), first.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      if (k == axis) continue;
      if (x[k].is_constant() && out[k].is_constant() && !(x[k] == out[k]))
        c.fail("inputs disagree on axis {}: {} in input 0, {} in input {}", k, ir::to_string(out[k]),
               ir::to_string(x[k]), i);
      if (x[k].is_constant()) out[k] = x[k];
    }
    if (i > 0) out[axis] = out[axis] + x[axis];
    if (!known) continue;
    const auto elements = c.known_content(i);
    known = elements.has_value() && content.size() + elements->size() <= static_cast<std::size_t>(ir::kMaxContent);
    if (known) content.insert(content.end(), elements->begin(), elements->end());
  }
  c.set_output(0, c.dtype(0), std::move(out));
  if (known) c.set_content(0, std::move(content));
}

void alias_concat(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  const std::size_t rank = n.input(0).rank(), axis = axis_of(n.attrs().i("axis"), rank);
  Expr start = 0;
  for (int i = 0; i < n.input_count(); ++i) {
    ir::Alias placement{.kind = ir::Alias::Kind::placement, .input = i};
    placement.start.assign(rank, 0);
    placement.start[axis] = start;
    start = start + n.input(i).shape[axis];
    list.push_back(std::move(placement));
  }
}

/// Split(x, sizes?) {axis, split?}: without sizes, ceil(extent / outputs) each and the rest in the last.
std::vector<Expr> split_sizes(const std::optional<std::vector<Expr>>& given, const Expr& extent, std::size_t outputs) {
  if (given) {
    if (given->size() != outputs) fail("{} sizes for {} outputs", given->size(), outputs);
    Expr sum = 0;
    for (const Expr& e : *given) sum = sum + e;
    require_equal(sum, extent, "the sum of the sizes and the extent differ");
    return *given;
  }
  const Expr each = ir::ceil_div(extent, static_cast<std::int64_t>(outputs));
  std::vector<Expr> sizes(outputs, each);
  Expr left = extent;
  for (std::size_t i = 0; i < outputs; ++i) {
    sizes[i] = larger(0, smaller(each, left));
    left = left - sizes[i];
  }
  return sizes;
}

void infer_split(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::size_t axis = axis_of(c.attrs().i("axis"), x.size());
  std::optional<std::vector<Expr>> given;
  if (c.attrs().has("split") || c.has_input(1)) given = numbers(c, "split", 1);
  const auto sizes = split_sizes(given, x[axis], static_cast<std::size_t>(c.output_count()));
  const auto content = x.size() == 1 ? c.known_content(0) : std::nullopt;
  std::size_t at = 0;
  for (int i = 0; i < c.output_count(); ++i) {
    const Expr& size = sizes[static_cast<std::size_t>(i)];
    if (is_negative(size) == true) c.fail("size {} of output {} is negative", ir::to_string(size), i);
    ir::SymShape out = x;
    out[axis] = size;
    c.set_output(i, c.dtype(0), std::move(out));
    if (!content || !size.is_constant()) continue;
    const auto n = static_cast<std::size_t>(size.constant());
    if (at + n > content->size()) continue;
    c.set_content(i, {content->begin() + static_cast<std::ptrdiff_t>(at),
                      content->begin() + static_cast<std::ptrdiff_t>(at + n)});
    at += n;
  }
}

void alias_split(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  const std::size_t rank = n.input(0).rank(), axis = axis_of(n.attrs().i("axis"), rank);
  Expr start = 0;
  for (int i = 0; i < n.output_count(); ++i) {
    ir::Alias view{.output = i};
    for (std::size_t k = 0; k < rank; ++k) view.axes.push_back({static_cast<int>(k), 1});
    view.start.assign(rank, 0);
    view.start[axis] = start;
    start = start + n.output(i).shape[axis];
    list.push_back(std::move(view));
  }
}

/// A number for each spatial axis of [N, C, extents...].
std::vector<std::int64_t> blocks_of(const ir::AttrReader& attrs, std::size_t rank) {
  if (rank < 3 || rank > 2 + kBlockAxes)
    fail("input has rank {}; 1 to {} spatial axes after batch and channel are supported", rank, kBlockAxes);
  std::vector<std::int64_t> blocks = attrs.ints("blocksize");
  if (blocks.size() != rank - 2) fail("blocksize has {} entries for {} spatial axes", blocks.size(), rank - 2);
  for (const std::int64_t block : blocks)
    if (block < 1 || block > (1 << 20)) fail("blocksize {} is out of range", block);
  return blocks;
}
/// Their product.
std::int64_t depth_of(const std::vector<std::int64_t>& blocks) {
  return std::accumulate(blocks.begin(), blocks.end(), std::int64_t{1}, std::multiplies<>());
}

Expr divide(const Expr& a, std::int64_t b, const char* what) {
  if (auto v = a.try_constant(); v && *v % b != 0) fail("{} {} does not divide by {}", what, *v, b);
  return ir::floor_div(a, b);
}

void infer_depth_to_space(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::vector<std::int64_t> blocks = blocks_of(c.attrs(), x.size());
  ir::SymShape out{x[0], divide(x[1], depth_of(blocks), "channel count")};
  for (std::size_t i = 0; i < blocks.size(); ++i) out.push_back(x[i + 2] * Expr(blocks[i]));
  c.set_output(0, c.dtype(0), std::move(out));
}

void infer_space_to_depth(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::vector<std::int64_t> blocks = blocks_of(c.attrs(), x.size());
  ir::SymShape out{x[0], x[1] * Expr(depth_of(blocks))};
  for (std::size_t i = 0; i < blocks.size(); ++i) out.push_back(divide(x[i + 2], blocks[i], "extent"));
  c.set_output(0, c.dtype(0), std::move(out));
}

BlockParams block_params(const ir::NodeView& n) {
  BlockParams p;
  const std::vector<std::int64_t> blocks = blocks_of(n.attrs(), n.input(0).rank());
  p.spatial = static_cast<std::int32_t>(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) p.block[i] = static_cast<std::int32_t>(blocks[i]);
  return p;
}

void params_space_to_depth(const ir::NodeView& n, ir::ParamsBlob& blob) { blob.set(block_params(n)); }

void params_depth_to_space(const ir::NodeView& n, ir::ParamsBlob& blob) {
  BlockParams p = block_params(n);
  const std::string mode = n.attrs().s("mode");
  if (mode != "DCR" && mode != "CRD") fail("mode \"{}\" is not known", mode);
  p.channels_first = mode == "CRD";
  blob.set(p);
}

constexpr ir::AttrDef kTransposeAttrs[] = {ir::required("perm", ir::AttrKind::ints)};
constexpr ir::AttrDef kExpandAttrs[] = {{"shape", ir::AttrKind::ints}};
constexpr ir::AttrDef kTileAttrs[] = {{"repeats", ir::AttrKind::ints}};
constexpr ir::AttrDef kConcatAttrs[] = {{"axis", 0}};
constexpr ir::AttrDef kSplitAttrs[] = {{"axis", 0}, {"split", ir::AttrKind::ints}};
constexpr ir::AttrDef kDepthToSpaceAttrs[] = {ir::required("blocksize", ir::AttrKind::ints), {"mode", "DCR"}};
constexpr ir::AttrDef kSpaceToDepthAttrs[] = {ir::required("blocksize", ir::AttrKind::ints)};

constexpr ir::OpDef kArrangeOps[] = {
    {.name = "Transpose",
     .attrs = kTransposeAttrs,
     .infer = infer_transpose,
     .params = params_transpose,
     .aliases = alias_transpose},
    {.name = "Expand",
     .attrs = kExpandAttrs,
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_expand,
     .aliases = alias_expand,
     .shape_inputs = 2},
    {.name = "Tile", .attrs = kTileAttrs, .min_inputs = 1, .max_inputs = 2, .infer = infer_tile, .shape_inputs = 2},
    {.name = "Concat",
     .attrs = kConcatAttrs,
     .max_inputs = 1 << 20,
     .infer = infer_concat,
     .params = params_axis,
     .aliases = alias_concat},
    {.name = "Split",
     .attrs = kSplitAttrs,
     .max_inputs = 2,
     .max_outputs = 1 << 16,
     .infer = infer_split,
     .params = params_axis,
     .aliases = alias_split,
     .shape_inputs = 2},
    {.name = "DepthToSpace",
     .attrs = kDepthToSpaceAttrs,
     .infer = infer_depth_to_space,
     .params = params_depth_to_space},
    {.name = "SpaceToDepth",
     .attrs = kSpaceToDepthAttrs,
     .infer = infer_space_to_depth,
     .params = params_space_to_depth},
};

}  // namespace

extern const ir::OpList arrange_ops{kArrangeOps};

}  // namespace monza::ops
