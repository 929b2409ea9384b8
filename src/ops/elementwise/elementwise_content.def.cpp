// Symbolic elements of elementwise results: what keeps the arithmetic on shapes symbolic.
#include <optional>

#include "ops/elementwise/elementwise.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// Bounds that hold whatever the model's profile: extents are not negative.
ir::Interval bounds(const Expr& e) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 40;
  return ir::range(e, [](const ir::Atom& atom) {
    return atom.kind == ir::AtomKind::symbol ? ir::Interval{0, kLargest} : ir::Interval{INT64_MIN, INT64_MAX};
  });
}
bool never_negative(const Expr& e) { return bounds(e).low >= 0; }

std::optional<Expr> truth(std::optional<bool> value) {
  if (!value) return std::nullopt;
  return Expr(*value ? 1 : 0);
}

std::optional<bool> is_less(const Expr& a, const Expr& b) {
  const ir::Interval d = bounds(b - a);
  if (d.low > 0) return true;
  if (d.high <= 0) return false;
  return std::nullopt;
}
std::optional<bool> is_equal(const Expr& a, const Expr& b) {
  const Expr d = a - b;
  if (auto c = d.try_constant()) return *c == 0;
  const ir::Interval r = bounds(d);
  if (r.low > 0 || r.high < 0) return false;
  return std::nullopt;
}
std::optional<bool> negated(std::optional<bool> v) {
  if (v) v = !*v;
  return v;
}

std::optional<Expr> apply(UnaryKind kind, const Expr& x) {
  switch (kind) {
    case UnaryKind::neg: return Expr(0) - x;
    case UnaryKind::abs: return never_negative(x) ? x : ir::max(x, Expr(0) - x);
    case UnaryKind::relu: return never_negative(x) ? x : ir::max(x, Expr(0));
    case UnaryKind::logical_not: return Expr(1) - x;
    default: return std::nullopt;
  }
}

std::optional<Expr> apply(BinaryKind kind, const Expr& a, const Expr& b) {
  switch (kind) {
    case BinaryKind::add: return a + b;
    case BinaryKind::sub: return a - b;
    case BinaryKind::mul: return a * b;
    case BinaryKind::div: {
      const auto ca = a.try_constant(), cb = b.try_constant();
      if (ca && cb) {
        if (*cb == 0 || (*ca == INT64_MIN && *cb == -1)) return std::nullopt;
        return Expr(*ca / *cb);
      }
      if (auto exact = ir::exact_div(a, b); exact && cb && *cb != 0) return exact;
      // Rounding toward zero is floor_div where nothing is negative.
      if (never_negative(a) && bounds(b).low > 0) return ir::floor_div(a, b);
      return std::nullopt;
    }
    case BinaryKind::mod:
      if (never_negative(a) && bounds(b).low > 0) return ir::mod(a, b);
      return std::nullopt;
    case BinaryKind::min: return ir::min(a, b);
    case BinaryKind::max: return ir::max(a, b);
    case BinaryKind::logical_and: return a * b;
    case BinaryKind::logical_or: return ir::max(a, b);
    case BinaryKind::equal: return truth(is_equal(a, b));
    case BinaryKind::less: return truth(is_less(a, b));
    case BinaryKind::greater: return truth(is_less(b, a));
    case BinaryKind::less_or_equal: return truth(negated(is_less(b, a)));
    case BinaryKind::greater_or_equal: return truth(negated(is_less(a, b)));
    default: return std::nullopt;
  }
}

/// Types that shapes travel in: their arithmetic does not wrap for extents. Others are not followed.
bool carries_shapes(DType type) { return type == DType::i64 || type == DType::i32 || type == DType::boolean; }

}  // namespace

void propagate_content(ir::InferContext& c, const ir::SymShape& out) {
  const std::string_view name = c.node().op->name;
  const UnaryOp* unary = find_unary(name);
  const BinaryOp* binary = find_binary(name);
  if (!carries_shapes(c.dtype(0))) return;
  std::int64_t count = 1;
  std::vector<std::int64_t> extents;
  for (const Expr& e : out) {
    const auto n = e.try_constant();
    if (!n || *n > ir::kMaxContent) return;
    extents.push_back(*n);
    count *= *n;
    if (count > ir::kMaxContent) return;
  }
  if (name == "Cast") {
    const DType to = parse_dtype(c.attrs().s("to", ""));
    if (!carries_shapes(to) || (to == DType::boolean && c.dtype(0) != to)) return;
  }

  std::vector<std::vector<Expr>> in;
  std::vector<std::vector<std::int64_t>> stride;  // per input, per output axis
  for (int i = 0; i < c.input_count(); ++i) {
    in.emplace_back();
    stride.emplace_back(extents.size(), 0);
    if (!c.has_input(i)) continue;
    auto content = c.known_content(i);
    if (!content) return;
    in.back() = std::move(*content);
    const ir::SymShape& shape = c.shape(i);
    std::int64_t s = 1;
    for (std::size_t a = 0; a < shape.size() && a < extents.size(); ++a) {
      const std::int64_t n = shape[shape.size() - 1 - a].constant();
      stride.back()[extents.size() - 1 - a] = n == 1 ? 0 : s;
      s *= n;
    }
  }

  std::vector<Expr> result;
  std::vector<std::int64_t> index(extents.size(), 0);
  for (std::int64_t e = 0; e < count; ++e) {
    const auto element = [&](std::size_t i) -> const Expr& {
      std::int64_t at = 0;
      for (std::size_t a = 0; a < extents.size(); ++a) at += index[a] * stride[i][a];
      return in[i][static_cast<std::size_t>(at)];
    };
    std::optional<Expr> value;
    if (unary) {
      value = apply(unary->kind, element(0));
    } else if (binary) {
      value = apply(binary->kind, element(0), element(1));
    } else if (name == "Cast") {
      value = element(0);
    } else if (name == "Where") {
      const auto condition = element(0).try_constant();
      if (condition) value = element(*condition ? 1 : 2);
      else if (element(1) == element(2)) value = element(1);
    } else if (name == "Clip") {
      value = element(0);
      if (c.has_input(1)) value = ir::max(*value, in[1][0]);
      if (c.has_input(2)) value = ir::min(*value, in[2][0]);
    }
    if (!value) return;
    result.push_back(*value);
    for (std::size_t a = extents.size(); a-- > 0;) {
      if (++index[a] < extents[a]) break;
      index[a] = 0;
    }
  }
  c.set_content(0, std::move(result));
}

}  // namespace monza::ops
