// Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the same order under another shape.
#include <algorithm>

#include "ops/shared/shapes.def.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// Reshape(x, shape?) {shape?, allowzero}: the target is the attribute or the input's elements.
void infer_reshape(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  std::vector<Expr> target = numbers(c, "shape", 1);
  const bool allow_zero = c.attrs().i("allowzero") != 0;
  std::ptrdiff_t wild = -1;
  std::vector<std::size_t> unknown;  // elements that may turn out to be -1 at run time
  std::vector<bool> copied(target.size());
  for (std::size_t i = 0; i < target.size(); ++i) {
    Expr& e = target[i];
    if (auto v = e.try_constant()) {
      if (*v == -1) {
        if (wild >= 0) c.fail("the shape {} has more than one -1", ir::to_string(target));
        wild = static_cast<std::ptrdiff_t>(i);
      } else if (*v == 0 && !allow_zero) {
        if (i >= x.size()) c.fail("element {} of the shape copies an extent, the input has rank {}", i, x.size());
        e = x[i];
        copied[i] = true;
      } else if (*v < -1) {
        c.fail("the shape {} has a negative extent", ir::to_string(target));
      }
    } else if (is_negative(e) != false && !c.is_extent(1, e)) {
      unknown.push_back(i);
      if (!allow_zero && i < x.size()) e = e + equals(e, 0) * x[i];
    }
  }
  // Extents common to both sides cancel before the division, so that it stays exact on sums. One that is copied does so
  // when it is 0, too, where there is a -1: what is left for that is the same for a range and for its numbers.
  const bool infers = wild >= 0 || !unknown.empty();
  std::vector<Expr> left(x.begin(), x.end()), right;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (static_cast<std::ptrdiff_t>(i) == wild) continue;
    // -1 at run time counts as 1 among the known extents.
    const bool maybe = std::find(unknown.begin(), unknown.end(), i) != unknown.end();
    const Expr known = maybe ? target[i] + Expr(2) * negative(target[i]) : target[i];
    const auto same = std::find(left.begin(), left.end(), known);
    if (same != left.end() && ((copied[i] && infers) || !(known == Expr(0)))) left.erase(same);
    else right.push_back(known);
  }
  const Expr total = ir::product(left), known = ir::product(right);
  const auto rest = [&]() -> Expr {
    if (known == Expr(0)) return 0;
    if (auto exact = ir::exact_div(total, known)) return *exact;
    return ir::floor_div(total, unknown.empty() ? known : ir::max(1, known));
  };
  if (wild >= 0) {
    const auto a = total.try_constant(), b = known.try_constant();
    if (a && b && *b != 0 && *a % *b != 0)
      c.fail("{} elements do not divide into the shape {}", ir::to_string(ir::product(x)), ir::to_string(target));
    target[static_cast<std::size_t>(wild)] = rest();
  } else if (!unknown.empty()) {
    const Expr inferred = rest();
    for (std::size_t i : unknown) target[i] = target[i] + negative(target[i]) * (inferred + Expr(1));
  } else {
    require_equal(total, known, "the element counts of the input and of the shape differ (common extents left out)");
  }
  set_reordered(c, c.dtype(0), std::move(target));
}

/// Flatten(x) {axis}: [product of axes before, product of the others].
void infer_flatten(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::int64_t axis = c.attrs().i("axis"), rank = static_cast<std::int64_t>(x.size());
  if (axis < -rank || axis > rank) c.fail("axis {} lies outside [-{}, {}]", axis, rank, rank);
  const auto a = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
  set_reordered(c, c.dtype(0), {ir::product(x, 0, a), ir::product(x, a, x.size())});
}

/// 1 where axis k is among `axes` (which may be negative), for each k below `rank`.
std::vector<Expr> marks(const std::vector<Expr>& axes, std::size_t rank) {
  std::vector<Expr> mark(rank, 0);
  for (const Expr& a : axes) {
    const Expr axis = a + negative(a) * Expr(static_cast<std::int64_t>(rank));
    for (std::size_t k = 0; k < rank; ++k) mark[k] = mark[k] + equals(axis, static_cast<std::int64_t>(k));
  }
  return mark;
}

/// Squeeze(x, axes?) {axes?}: without axes, every extent known to be 1.
void infer_squeeze(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  std::vector<Expr> axes;
  if (c.attrs().has("axes") || c.has_input(1)) {
    axes = numbers(c, "axes", 1);
  } else {
    for (std::size_t k = 0; k < x.size(); ++k) {
      if (!x[k].is_constant())
        c.fail("no axes are given, and extent {} of {} may or may not be 1", k, ir::to_string(x));
      if (x[k] == Expr(1)) axes.emplace_back(static_cast<std::int64_t>(k));
    }
  }
  if (auto known = all_constant(axes))
    for (std::size_t a : axes_of(*known, x.size())) require_equal(x[a], 1, "a squeezed axis must have extent 1");
  if (axes.size() > x.size()) c.fail("{} axes are squeezed from rank {}", axes.size(), x.size());
  const std::vector<Expr> mark = marks(axes, x.size());
  ir::SymShape out(x.size() - axes.size(), 0);
  Expr position = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const Expr keep = Expr(1) - mark[k];
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = out[j] + keep * equals(position, static_cast<std::int64_t>(j)) * x[k];
    position = position + keep;
  }
  set_reordered(c, c.dtype(0), std::move(out));
}

/// Unsqueeze(x, axes?) {axes?}: axes count in the output.
void infer_unsqueeze(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const std::vector<Expr> axes = numbers(c, "axes", 1);
  const std::size_t rank = x.size() + axes.size();
  if (auto known = all_constant(axes)) axes_of(*known, rank);
  const std::vector<Expr> mark = marks(axes, rank);
  ir::SymShape out(rank, 0);
  Expr before = 0;  // new axes before j
  for (std::size_t j = 0; j < rank; ++j) {
    out[j] = mark[j];
    for (std::size_t k = 0; k < x.size(); ++k)
      out[j] = out[j] + (Expr(1) - mark[j]) *
                            equals(Expr(static_cast<std::int64_t>(j)) - before, static_cast<std::int64_t>(k)) * x[k];
    before = before + mark[j];
  }
  set_reordered(c, c.dtype(0), std::move(out));
}

void alias_reshape(const ir::NodeView&, std::vector<ir::Alias>& list) {
  list.push_back({.kind = ir::Alias::Kind::reshape});
}

/// A view axis by axis where the axes are known; a reshape of dense elements in any case.
void alias_squeeze(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  const ir::SymShape& x = n.input(0).shape;
  std::vector<std::size_t> gone;
  if (n.attrs().has("axes") || n.has_input(1)) {
    const auto axes = constant_numbers(n, "axes", 1);
    if (!axes) return alias_reshape(n, list);
    gone = axes_of(*axes, x.size());
  } else {
    for (std::size_t k = 0; k < x.size(); ++k)
      if (x[k] == Expr(1)) gone.push_back(k);
  }
  ir::Alias view;
  for (std::size_t k = 0; k < x.size(); ++k)
    if (std::find(gone.begin(), gone.end(), k) == gone.end()) view.axes.push_back({static_cast<int>(k), 1});
  list.push_back(std::move(view));
  alias_reshape(n, list);
}

void alias_unsqueeze(const ir::NodeView& n, std::vector<ir::Alias>& list) {
  if (const auto axes = constant_numbers(n, "axes", 1)) {
    const std::size_t rank = n.output(0).rank();
    const auto added = axes_of(*axes, rank);
    ir::Alias view;
    int source = 0;
    for (std::size_t k = 0; k < rank; ++k) {
      const bool is_new = std::find(added.begin(), added.end(), k) != added.end();
      view.axes.push_back({is_new ? -1 : source++, 1});
    }
    list.push_back(std::move(view));
  }
  alias_reshape(n, list);
}

constexpr ir::AttrDef kReshapeAttrs[] = {{"shape", ir::AttrKind::ints}, {"allowzero", 0}};
constexpr ir::AttrDef kFlattenAttrs[] = {{"axis", 1}};
constexpr ir::AttrDef kSqueezeAttrs[] = {{"axes", ir::AttrKind::ints}};

constexpr ir::OpDef kReshapeOps[] = {
    {.name = "Reshape",
     .attrs = kReshapeAttrs,
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_reshape,
     .aliases = alias_reshape,
     .shape_inputs = 2},
    {.name = "Flatten", .attrs = kFlattenAttrs, .infer = infer_flatten, .aliases = alias_reshape},
    {.name = "Squeeze",
     .attrs = kSqueezeAttrs,
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_squeeze,
     .aliases = alias_squeeze,
     .shape_inputs = 2},
    {.name = "Unsqueeze",
     .attrs = kSqueezeAttrs,
     .min_inputs = 1,
     .max_inputs = 2,
     .infer = infer_unsqueeze,
     .aliases = alias_unsqueeze,
     .shape_inputs = 2},
};

}  // namespace

extern const ir::OpList reshape_ops{kReshapeOps};

}  // namespace monza::ops
