#include "ops/shared/shapes.def.h"
#include "ops/shared/ranges.def.h"

#include <algorithm>
#include <limits>

namespace monza::ops {

using ir::Expr;

namespace {
constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHigh = std::numeric_limits<std::int64_t>::max();

ir::Interval bounds(const Expr& e) {
  return ir::range(e, [](const ir::Atom& atom) {
    return atom.kind == ir::AtomKind::symbol ? ir::Interval{0, kHigh} : ir::Interval{kLow, kHigh};
  });
}

/// -1, 0 or 1: a is surely at most b, unknown, surely at least b.
int order(const Expr& a, const Expr& b) {
  // Guards against overflow where one of them is the "to the end" value of a slice.
  if (a.is_constant() && b.is_constant()) return a.constant() <= b.constant() ? -1 : 1;
  const ir::Interval x = bounds(a), y = bounds(b);
  if (x.high <= y.low) return -1;
  if (x.low >= y.high) return 1;
  if ((a.is_constant() && (a.constant() > kHigh / 4 || a.constant() < kLow / 4)) ||
      (b.is_constant() && (b.constant() > kHigh / 4 || b.constant() < kLow / 4)))
    return 0;
  const ir::Interval d = bounds(a - b);
  return d.high <= 0 ? -1 : d.low >= 0 ? 1 : 0;
}
}  // namespace

std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  if (rank == 0) fail("a scalar has no axis {}", axis);
  if (axis < -r || axis >= r) fail("axis {} lies outside [-{}, {})", axis, rank, rank);
  return static_cast<std::size_t>(axis < 0 ? axis + r : axis);
}

std::vector<std::size_t> axes_of(const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<std::size_t> result;
  for (std::int64_t axis : axes) {
    const std::size_t a = axis_of(axis, rank);
    if (std::find(result.begin(), result.end(), a) != result.end()) fail("axis {} is given twice", axis);
    result.push_back(a);
  }
  return result;
}

std::optional<bool> is_negative(const Expr& e) {
  const ir::Interval b = bounds(e);
  if (b.high < 0) return true;
  if (b.low >= 0) return false;
  return std::nullopt;
}

Expr negative(const Expr& e) {
  if (auto known = is_negative(e)) return *known ? 1 : 0;
  return ir::min(1, ir::max(0, Expr(0) - e));
}

Expr equals(const Expr& a, const Expr& b) {
  if (a == b) return 1;
  if (a.is_constant() && b.is_constant()) return 0;
  return Expr(1) - ir::min(1, ir::max(a - b, b - a));
}

Expr smaller(const Expr& a, const Expr& b) {
  const int o = order(a, b);
  return o < 0 ? a : o > 0 ? b : ir::min(a, b);
}

Expr larger(const Expr& a, const Expr& b) {
  const int o = order(a, b);
  return o < 0 ? b : o > 0 ? a : ir::max(a, b);
}

namespace {
/// Whether e is 0 for some extents that the model's ranges admit, or that kernels report; others are at least 1.
bool may_be_nothing(const ir::Model& model, const Expr& e) {
  return ir::range(e, [&](const ir::Atom& atom) {
           if (atom.kind != ir::AtomKind::symbol) return ir::Interval{1, kHigh};
           const auto it = model.extent_ranges.find(atom.name);
           return it == model.extent_ranges.end() ? ir::Interval{1, kHigh} : it->second;
         }).low <= 0;
}

/// An extent as most * some: the larger of what was broadcast, and 1 or 0, where any of it is 0.
struct Broadcast {
  Expr most, some;

  explicit Broadcast(const Expr& e) : most(e), some(ir::min(1, e)) {
    for (const auto& term : e.terms())
      for (const auto& atom : term.atoms) {
        const auto rest = atom->kind == ir::AtomKind::min ? ir::exact_div(e, ir::atom_expr(atom)) : std::nullopt;
        // Only a product that was made here: what may be 0 is in both of its factors.
        if (!rest || rest->is_constant() || !(ir::min(ir::atom_expr(atom), least_of(*rest)) == ir::atom_expr(atom)))
          continue;
        most = *rest;
        some = ir::atom_expr(atom);
        return;
      }
  }

 private:
  static Expr least_of(const Expr& e) {
    const auto terms = e.terms();
    const bool maximum = terms.size() == 1 && terms[0].coefficient == 1 && terms[0].atoms.size() == 1 &&
                         terms[0].atoms[0]->kind == ir::AtomKind::max;
    Expr least = 1;
    for (const Expr& arg : maximum ? terms[0].atoms[0]->args : std::vector<Expr>{e}) least = ir::min(least, arg);
    return least;
  }
};
}  // namespace

Expr broadcast_extent(const ir::Model& model, const Expr& a, const Expr& b) {
  if (!may_be_nothing(model, a) && !may_be_nothing(model, b)) return larger(a, b);
  const Broadcast x(a), y(b);
  const Expr most = larger(x.most, y.most), some = ir::min(x.some, y.some);
  return some == ir::min(1, most) ? most : most * some;
}

std::unique_ptr<ir::Graph> inferred_for(const ir::Graph& graph, const std::map<std::string, ir::Interval>& ranges) {
  if (std::none_of(ranges.begin(), ranges.end(), [](const auto& r) { return r.second.low == 0; })) return nullptr;
  std::unique_ptr<ir::Graph> copy = graph.clone();
  copy->model().extent_ranges = ranges;
  infer_again(*copy);
  return copy;
}

void infer_again(ir::Graph& graph) {
  for (const ir::NodeId id : graph.order())
    for (std::size_t b = 0; b < std::as_const(graph).node(id).bodies.size(); ++b) infer_again(graph.body(id, b));
  graph.infer_all();
}

ir::SymShape broadcast_shapes(const ir::InferContext& c, const std::vector<const ir::SymShape*>& shapes) {
  ir::SymShape out;
  for (const ir::SymShape* shape : shapes) {
    if (shape->size() > out.size()) out.insert(out.begin(), shape->size() - out.size(), Expr(1));
    for (std::size_t i = 0; i < shape->size(); ++i) {
      Expr& have = out[out.size() - 1 - i];
      const Expr& more = (*shape)[shape->size() - 1 - i];
      if (have == more || more == Expr(1)) continue;
      if (have == Expr(1) || (more.is_constant() && !have.is_constant())) {
        have = more;  // against a constant, a symbolic extent can only be equal or 1
      } else if (more.is_constant() && have.is_constant()) {
        std::string text;
        for (const ir::SymShape* s : shapes) text += (text.empty() ? "" : " and ") + ir::to_string(*s);
        c.fail("shapes {} do not broadcast: {} against {} on axis -{}", text, ir::to_string(have), ir::to_string(more),
               i + 1);
      } else if (!have.is_constant()) {
        have = broadcast_extent(c.model(), have, more);
      }
    }
  }
  return out;
}

std::vector<Expr> numbers(const ir::InferContext& c, std::string_view name, int i) {
  if (c.attrs().has(name)) {
    const auto values = c.attrs().ints(name);
    return {values.begin(), values.end()};
  }
  return c.content(i);
}

Expr one_number(const ir::InferContext& c, std::string_view name, int i) {
  const auto values = numbers(c, name, i);
  if (values.size() != 1) c.fail("{} has {} elements, not 1", name, values.size());
  return values[0];
}

std::optional<std::vector<Expr>> numbers(const ir::NodeView& n, std::string_view name, int i) {
  if (n.attrs().has(name)) {
    const auto values = n.attrs().ints(name);
    return std::vector<Expr>(values.begin(), values.end());
  }
  return numbers(n, i);
}

std::optional<std::vector<Expr>> numbers(const ir::NodeView& n, int i) {
  if (!n.has_input(i)) return std::nullopt;
  const ir::Value& v = n.graph.value(n.node.inputs[static_cast<std::size_t>(i)]);
  std::vector<Expr> elements;
  if (v.content) {
    elements = *v.content;
  } else if (v.constant && v.constant->numel() <= ir::kMaxContent) {
    const auto values = ir::to_ints(*v.constant);
    return std::vector<Expr>(values.begin(), values.end());
  } else {
    const auto count = ir::product(v.type.shape).try_constant();
    if (!count || *count > ir::kMaxContent) return std::nullopt;
    for (std::int64_t k = 0; k < *count; ++k) elements.push_back(Expr::element(v.id, k));
  }
  // Elements that a profile gives and that inference took, so that the plan checks them: parameters and views take them
  // as they are, too. Others are data, and may be others at each run.
  const ir::Model& model = n.graph.model();
  if (!model.specialised.empty())
    for (Expr& e : elements)
      e = ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<Expr> {
        if (atom.kind != ir::AtomKind::element || !model.specialised.contains({atom.value, atom.index}))
          return std::nullopt;
        return Expr(model.element_values.at(atom.value).at(static_cast<std::size_t>(atom.index)));
      });
  return elements;
}

std::optional<std::vector<std::int64_t>> all_constant(const std::vector<Expr>& values) {
  std::vector<std::int64_t> result;
  for (const Expr& e : values) {
    const auto v = e.try_constant();
    if (!v) return std::nullopt;
    result.push_back(*v);
  }
  return result;
}

std::optional<std::vector<std::int64_t>> constant_numbers(const ir::NodeView& n, std::string_view name, int i) {
  const auto values = numbers(n, name, i);
  return values ? all_constant(*values) : std::nullopt;
}

std::optional<std::vector<std::int64_t>> constant_numbers(const ir::NodeView& n, int i) {
  const auto values = numbers(n, i);
  return values ? all_constant(*values) : std::nullopt;
}

bool reports_extents(const ir::NodeView& n) {
  const auto is_own = [&](const ir::Expr& e) {
    for (const auto& term : e.terms())
      for (const auto& atom : term.atoms)
        if (atom->kind == ir::AtomKind::extent &&
            std::find(n.node.outputs.begin(), n.node.outputs.end(), atom->value) != n.node.outputs.end())
          return true;
    return false;
  };
  for (int i = 0; i < n.output_count(); ++i)
    if (const ir::SymShape& shape = n.output(i).shape; std::any_of(shape.begin(), shape.end(), is_own)) return true;
  return false;
}

void require_equal(const Expr& a, const Expr& b, std::string_view what) {
  if (a.is_constant() && b.is_constant() && !(a == b))
    fail("{}: {} against {}", what, ir::to_string(a), ir::to_string(b));
}

void set_reordered(ir::InferContext& c, DType dtype, ir::SymShape shape) {
  const auto count = ir::product(shape).try_constant();
  c.set_output(0, dtype, std::move(shape));
  // Without elements a shape may still vary: [0, n].
  auto content = c.known_content(0);
  if (content && count == static_cast<std::int64_t>(content->size())) c.set_content(0, std::move(*content));
}

void for_each_index(const std::vector<std::int64_t>& extents,
                    const std::function<void(const std::vector<std::int64_t>&)>& f) {
  for (std::int64_t e : extents)
    if (e <= 0) return;
  std::vector<std::int64_t> at(extents.size(), 0);
  for (;;) {
    f(at);
    std::size_t a = extents.size();
    while (a > 0 && ++at[a - 1] == extents[a - 1]) at[--a] = 0;
    if (a == 0) return;
  }
}

std::optional<std::vector<std::int64_t>> static_shape(const ir::SymShape& shape) { return all_constant(shape); }

}  // namespace monza::ops
