// Symbolic elements of elementwise results: what keeps the arithmetic on shapes symbolic.
#include <bit>
#include <numeric>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
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

constexpr std::int64_t kLargestDivisor = 1 << 16;

/// value / divisor: an integer over 1, or what a float holds. See ir::Fractions.
struct Number {
  Expr value;
  std::int64_t divisor = 1;
};
bool whole(const Number& n) { return n.divisor == 1; }
/// Only then is the float the number itself, and not the one nearest to it.
bool exact(const Number& n) { return std::has_single_bit(static_cast<std::uint64_t>(n.divisor)); }

/// In lowest terms, as far as that shows; nullopt where the divisor grows beyond what floats keep exact.
std::optional<Number> number(Expr value, std::int64_t divisor) {
  if (divisor == 1) return Number{std::move(value), 1};
  if (divisor < 0) value = Expr(0) - value, divisor = -divisor;
  if (const auto q = ir::exact_div(value, divisor)) return Number{*q, 1};
  while (divisor % 2 == 0) {
    const auto half = ir::exact_div(value, 2);
    if (!half) break;
    value = *half;
    divisor /= 2;
  }
  if (divisor > kLargestDivisor) return std::nullopt;
  return Number{std::move(value), divisor};
}

/// Both over one divisor.
std::int64_t join(Number& a, Number& b) {
  const std::int64_t divisor = std::lcm(a.divisor, b.divisor);
  for (Number* n : {&a, &b}) n->value = n->value * Expr(divisor / std::exchange(n->divisor, divisor));
  return divisor;
}

std::optional<Number> truth(std::optional<bool> value) {
  if (!value) return std::nullopt;
  return Number{*value ? 1 : 0, 1};
}

std::optional<Number> apply(UnaryKind kind, const Number& x) {
  switch (kind) {
    // Floor and ceil of a quotient's nearest float are those of the quotient: below 2^24 no whole number lies between.
    case UnaryKind::floor: return Number{ir::floor_div(x.value, x.divisor), 1};
    case UnaryKind::ceil: return Number{ir::ceil_div(x.value, x.divisor), 1};
    case UnaryKind::round: return whole(x) ? std::optional(x) : std::nullopt;
    case UnaryKind::neg: return Number{Expr(0) - x.value, x.divisor};
    case UnaryKind::abs:
      return Number{never_negative(x.value) ? x.value : ir::max(x.value, Expr(0) - x.value), x.divisor};
    case UnaryKind::relu: return Number{never_negative(x.value) ? x.value : ir::max(x.value, Expr(0)), x.divisor};
    case UnaryKind::logical_not: return Number{Expr(1) - x.value, 1};
    default: return std::nullopt;
  }
}

std::optional<Number> divide(const Number& a, const Number& b, bool floats) {
  const auto ca = a.value.try_constant(), cb = b.value.try_constant();
  if (floats) {
    if (!exact(a) || !exact(b)) return std::nullopt;
    if (cb && *cb != 0) return number(a.value * Expr(b.divisor), checked_mul(a.divisor, *cb, "a divisor"));
    if (const auto q = ir::exact_div(a.value, b.value); q && bounds(b.value).low > 0)
      return number(*q * Expr(b.divisor), a.divisor);
    return std::nullopt;
  }
  if (ca && cb) {
    if (*cb == 0 || (*ca == INT64_MIN && *cb == -1)) return std::nullopt;
    return Number{*ca / *cb, 1};
  }
  if (auto q = ir::exact_div(a.value, b.value); q && cb && *cb != 0) return Number{*q, 1};
  // Rounding toward zero is floor_div where nothing is negative.
  if (never_negative(a.value) && bounds(b.value).low > 0) return Number{ir::floor_div(a.value, b.value), 1};
  return std::nullopt;
}

std::optional<Number> apply(BinaryKind kind, Number a, Number b, bool floats) {
  if (kind == BinaryKind::div) return divide(a, b, floats);
  if (!exact(a) || !exact(b)) return std::nullopt;
  if (kind == BinaryKind::mul) return number(a.value * b.value, a.divisor * b.divisor);
  const std::int64_t divisor = join(a, b);
  const Expr &x = a.value, &y = b.value;
  switch (kind) {
    case BinaryKind::add: return number(x + y, divisor);
    case BinaryKind::sub: return number(x - y, divisor);
    case BinaryKind::mod:
      if (divisor == 1 && never_negative(x) && bounds(y).low > 0) return Number{ir::mod(x, y), 1};
      return std::nullopt;
    case BinaryKind::min: return number(ir::min(x, y), divisor);
    case BinaryKind::max: return number(ir::max(x, y), divisor);
    case BinaryKind::logical_and: return Number{x * y, 1};
    case BinaryKind::logical_or: return Number{ir::max(x, y), 1};
    case BinaryKind::equal: return truth(is_equal(x, y));
    case BinaryKind::less: return truth(is_less(x, y));
    case BinaryKind::greater: return truth(is_less(y, x));
    case BinaryKind::less_or_equal: return truth(negated(is_less(y, x)));
    case BinaryKind::greater_or_equal: return truth(negated(is_less(x, y)));
    default: return std::nullopt;
  }
}

std::optional<Number> cast(const Number& x, DType to) {
  if (is_float(to) || whole(x)) return x;
  // Toward zero.
  if (never_negative(x.value)) return Number{ir::floor_div(x.value, x.divisor), 1};
  return std::nullopt;
}

bool is_float_shape(DType type) { return type == DType::f32 || type == DType::f64; }
/// Types that shapes travel in: their arithmetic neither wraps nor rounds for extents. Others are not followed.
bool carries_shapes(DType type) {
  return type == DType::i64 || type == DType::i32 || type == DType::boolean || is_float_shape(type);
}

/// The elements over one divisor, as a value keeps them; nullopt where there is none.
std::optional<ir::Fractions> over_one_divisor(const std::vector<Number>& elements) {
  ir::Fractions result;
  for (const Number& n : elements) {
    result.divisor = std::lcm(result.divisor, n.divisor);
    if (result.divisor > kLargestDivisor) return std::nullopt;
  }
  for (const Number& n : elements) result.numerators.push_back(n.value * Expr(result.divisor / n.divisor));
  return result;
}

/// Elements of the result from those of the operands; nullopt where one is not known.
std::optional<Number> combine(const ir::InferContext& c, const std::vector<Number>& in, DType to) {
  const std::string_view name = c.node().op->name;
  const bool floats = is_float_shape(c.dtype(0));
  if (const UnaryOp* unary = find_unary(name)) return apply(unary->kind, in[0]);
  if (const BinaryOp* binary = find_binary(name)) return apply(binary->kind, in[0], in[1], floats);
  if (name == "Cast") return cast(in[0], to);
  if (name == "Where") {
    if (const auto condition = in[0].value.try_constant()) return *condition ? in[1] : in[2];
    if (in[1].value == in[2].value && in[1].divisor == in[2].divisor) return in[1];
  }
  if (name == "Clip") {
    std::optional<Number> value = in[0];
    if (c.has_input(1)) value = apply(BinaryKind::max, *value, in[1], floats);
    if (c.has_input(2) && value) value = apply(BinaryKind::min, *value, in[2], floats);
    return value;
  }
  return std::nullopt;
}

/// What f32 does not hold exactly is not followed.
bool too_large(const Number& n) {
  constexpr std::int64_t kLargest = 1 << 24;
  const auto v = n.value.try_constant();
  return v && (*v > kLargest || *v < -kLargest);
}

void propagate(ir::InferContext& c, const std::vector<std::int64_t>& extents, std::int64_t count, DType to) {
  std::vector<ir::Fractions> in;
  std::vector<std::vector<std::int64_t>> stride;  // per input, per output axis
  for (int i = 0; i < c.input_count(); ++i) {
    in.push_back({{Expr(0)}, 1});
    stride.emplace_back(extents.size(), 0);
    if (!c.has_input(i)) continue;
    auto content = c.known_fractions(i);
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
  const bool floats = is_float_shape(c.results()[0].type.dtype);
  std::vector<Number> result, elements(in.size());
  std::vector<std::int64_t> index(extents.size(), 0);
  for (std::int64_t e = 0; e < count; ++e) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      std::int64_t at = 0;
      for (std::size_t a = 0; a < extents.size(); ++a) at += index[a] * stride[i][a];
      elements[i] = *number(in[i].numerators[static_cast<std::size_t>(at)], in[i].divisor);
    }
    const std::optional<Number> value = combine(c, elements, to);
    if (!value || (floats && too_large(*value))) return;
    result.push_back(*value);
    for (std::size_t a = extents.size(); a-- > 0;) {
      if (++index[a] < extents[a]) break;
      index[a] = 0;
    }
  }
  if (auto known = over_one_divisor(result)) c.set_fractions(0, std::move(*known));
}

}  // namespace

void propagate_content(ir::InferContext& c, const ir::SymShape& out) {
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
  DType to = DType::invalid;
  if (std::string_view(c.node().op->name) == "Cast") {
    to = parse_dtype(c.attrs().s("to"));
    if (!carries_shapes(to) || (to == DType::boolean && c.dtype(0) != to)) return;
  }
  if (!is_float_shape(c.dtype(0))) return propagate(c, extents, count, to);
  try {
    propagate(c, extents, count, to);
  } catch (const Error&) {  // beyond what expressions hold: floats need not be followed
  }
}

}  // namespace monza::ops
