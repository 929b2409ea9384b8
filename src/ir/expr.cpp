#include "ir/expr.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "base/checked.h"
#include "base/error.h"

namespace monza::ir {

namespace {
constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHigh = std::numeric_limits<std::int64_t>::max();
constexpr int kMaxDepth = 200;
constexpr int kMaxSize = 20000;
constexpr std::size_t kMaxTerms = 2000;
constexpr std::size_t kMaxDegree = 64;

using AtomPtr = std::shared_ptr<const Atom>;
using Term = Expr::Term;

int compare(const Expr& a, const Expr& b);

int compare(const AtomPtr& a, const AtomPtr& b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (int c = a->name.compare(b->name)) return c < 0 ? -1 : 1;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  if (a->index != b->index) return a->index < b->index ? -1 : 1;
  if (a->args.size() != b->args.size()) return a->args.size() < b->args.size() ? -1 : 1;
  for (std::size_t i = 0; i < a->args.size(); ++i)
    if (int c = compare(a->args[i], b->args[i])) return c;
  return 0;
}

/// Order of monomials: fewer factors first, so the constant leads.
int compare(const std::vector<AtomPtr>& a, const std::vector<AtomPtr>& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (int c = compare(a[i], b[i])) return c;
  return 0;
}

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  if (b == -1) return checked_mul(a, -1, "an extent");
  std::int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}
std::int64_t floor_modulo(std::int64_t a, std::int64_t b) {
  if (b == -1) return 0;
  std::int64_t r = a % b;
  return (r != 0 && ((r < 0) != (b < 0))) ? r + b : r;
}

Interval default_range(const Atom& atom) {
  return atom.kind == AtomKind::symbol ? Interval{0, kHigh} : Interval{kLow, kHigh};
}
}  // namespace

/// Access to the representation.
struct ExprOps {
  static const std::vector<Term>* raw(const Expr& e) { return e.terms_.get(); }
  static std::int64_t value(const Expr& e) { return e.value_; }
  static Expr make(std::vector<Term> terms) {
    Expr e;
    if (terms.empty()) return e;
    if (terms.size() == 1 && terms[0].atoms.empty()) {
      e.value_ = terms[0].coefficient;
      return e;
    }
    if (terms.size() > kMaxTerms) fail("a shape expression grows beyond {} terms", kMaxTerms);
    e.terms_ = std::make_shared<const std::vector<Term>>(std::move(terms));
    return e;
  }
  /// Sorts, merges equal monomials, drops zeros.
  static Expr normalize(std::vector<Term> terms) {
    std::sort(terms.begin(), terms.end(), [](const Term& a, const Term& b) { return compare(a.atoms, b.atoms) < 0; });
    std::vector<Term> merged;
    for (Term& t : terms) {
      if (!merged.empty() && compare(merged.back().atoms, t.atoms) == 0)
        merged.back().coefficient = checked_add(merged.back().coefficient, t.coefficient, "a shape expression");
      else merged.push_back(std::move(t));
    }
    std::erase_if(merged, [](const Term& t) { return t.coefficient == 0; });
    return make(std::move(merged));
  }
  static Expr atom(Atom atom) {
    atom.depth = 1;
    std::int64_t size = 1;
    for (const Expr& arg : atom.args) {
      if (arg.is_constant()) continue;
      for (const Term& t : *arg.terms_)
        for (const AtomPtr& a : t.atoms) {
          atom.depth = std::max(atom.depth, a->depth + 1);
          size += a->size;
        }
    }
    if (atom.depth > kMaxDepth || size > kMaxSize)
      fail("a shape expression grows too complex ({} levels, {} atoms)", atom.depth, size);
    atom.size = static_cast<int>(size);
    return make({Term{1, {std::make_shared<const Atom>(std::move(atom))}}});
  }
  static std::vector<Term> terms(const Expr& e) {
    if (e.terms_) return *e.terms_;
    if (e.value_ == 0) return {};
    return {Term{e.value_, {}}};
  }
  /// The only atom of an expression that is one atom with coefficient 1, or null.
  static const Atom* single_atom(const Expr& e) {
    if (!e.terms_ || e.terms_->size() != 1) return nullptr;
    const Term& t = (*e.terms_)[0];
    return t.coefficient == 1 && t.atoms.size() == 1 ? t.atoms[0].get() : nullptr;
  }
};

namespace {
int compare(const Expr& a, const Expr& b) {
  const auto* s = ExprOps::raw(a);
  const auto* t = ExprOps::raw(b);
  if (s == t) {
    if (s != nullptr || a.constant() == b.constant()) return 0;
    return a.constant() < b.constant() ? -1 : 1;
  }
  if (s == nullptr || t == nullptr) return s == nullptr ? -1 : 1;
  if (s->size() != t->size()) return s->size() < t->size() ? -1 : 1;
  for (std::size_t i = 0; i < s->size(); ++i) {
    if (int c = compare((*s)[i].atoms, (*t)[i].atoms)) return c;
    if ((*s)[i].coefficient != (*t)[i].coefficient) return (*s)[i].coefficient < (*t)[i].coefficient ? -1 : 1;
  }
  return 0;
}
}  // namespace

Expr::Expr(std::int64_t constant) : value_(constant) {}

Expr Expr::symbol(std::string name) {
  if (name.empty()) fail("a symbolic dimension needs a name");
  Atom a{AtomKind::symbol};
  a.name = std::move(name);
  return ExprOps::atom(std::move(a));
}

Expr Expr::element(std::uint32_t value, std::int64_t index) {
  Atom a{AtomKind::element};
  a.value = value;
  a.index = index;
  return ExprOps::atom(std::move(a));
}

Expr Expr::extent(std::uint32_t value, std::int64_t index, const Expr& bound) {
  Atom a{AtomKind::extent};
  a.value = value;
  a.index = index;
  a.args = {bound};
  return ExprOps::atom(std::move(a));
}

bool Expr::is_constant() const { return terms_ == nullptr; }

std::int64_t Expr::constant() const {
  if (terms_) fail("the extent {} is not known at build time", to_string(*this));
  return value_;
}

std::optional<std::int64_t> Expr::try_constant() const {
  if (terms_) return std::nullopt;
  return value_;
}

std::int64_t Expr::bytes() const {
  std::size_t total = sizeof(Expr);
  if (terms_)
    for (const Term& t : *terms_) total += sizeof(Term) + t.atoms.size() * sizeof(t.atoms[0]);
  return static_cast<std::int64_t>(total);
}

std::vector<Expr::Term> Expr::terms() const { return ExprOps::terms(*this); }

Expr operator+(const Expr& a, const Expr& b) {
  if (!a.terms_ && !b.terms_) return checked_add(a.value_, b.value_, "an extent");
  if (!a.terms_ && a.value_ == 0) return b;
  if (!b.terms_ && b.value_ == 0) return a;
  std::vector<Expr::Term> terms = ExprOps::terms(a);
  for (Expr::Term& t : ExprOps::terms(b)) terms.push_back(std::move(t));
  return ExprOps::normalize(std::move(terms));
}

Expr operator-(const Expr& a, const Expr& b) {
  if (!b.terms_) {
    if (b.value_ == 0) return a;
    if (!a.terms_) {
      std::int64_t r;
      if (__builtin_sub_overflow(a.value_, b.value_, &r))
        fail("an extent overflows 64 bits: {} - {}", a.value_, b.value_);
      return r;
    }
  }
  return a + Expr(-1) * b;
}

Expr operator*(const Expr& a, const Expr& b) {
  if (!a.terms_ && !b.terms_) return checked_mul(a.value_, b.value_, "an extent");
  if (!a.terms_) {
    if (a.value_ == 0) return 0;
    if (a.value_ == 1) return b;
  }
  if (!b.terms_) {
    if (b.value_ == 0) return 0;
    if (b.value_ == 1) return a;
  }
  const std::vector<Expr::Term> s = ExprOps::terms(a), t = ExprOps::terms(b);
  if (s.size() * t.size() > 4 * kMaxTerms) fail("a shape expression grows beyond {} terms", kMaxTerms);
  std::vector<Expr::Term> terms;
  for (const Expr::Term& x : s)
    for (const Expr::Term& y : t) {
      Expr::Term p{checked_mul(x.coefficient, y.coefficient, "a shape expression"), x.atoms};
      p.atoms.insert(p.atoms.end(), y.atoms.begin(), y.atoms.end());
      if (p.atoms.size() > kMaxDegree) fail("a shape expression grows beyond degree {}", kMaxDegree);
      std::sort(p.atoms.begin(), p.atoms.end(), [](const AtomPtr& l, const AtomPtr& r) { return compare(l, r) < 0; });
      terms.push_back(std::move(p));
    }
  return ExprOps::normalize(std::move(terms));
}

bool operator==(const Expr& a, const Expr& b) { return compare(a, b) == 0; }
bool operator<(const Expr& a, const Expr& b) { return compare(a, b) < 0; }

namespace {
/// a / b for a sum b. Terms are in a monomial order, so that the last term of a product is that of the last terms.
std::optional<Expr> long_division(const Expr& a, const Expr& b) {
  constexpr int kMostTerms = 64;
  const Expr last = ExprOps::make({b.terms().back()});
  Expr rest = a, quotient;
  try {
    for (int i = 0; i < kMostTerms; ++i) {
      if (rest == 0) return quotient;
      const auto q = exact_div(ExprOps::make({rest.terms().back()}), last);
      if (!q) return std::nullopt;
      quotient = quotient + *q;
      rest = rest - *q * b;
    }
  } catch (const Error&) {  // the rest grows beyond what expressions hold
  }
  return std::nullopt;
}
}  // namespace

std::optional<Expr> exact_div(const Expr& a, const Expr& b) {
  const std::vector<Term> divisor = b.terms();
  if (divisor.empty()) return std::nullopt;
  if (divisor.size() > 1) return a == b ? Expr(1) : long_division(a, b);
  const Term& d = divisor[0];
  std::vector<Term> quotient;
  for (const Term& t : a.terms()) {
    if (d.coefficient == -1 ? t.coefficient == kLow : t.coefficient % d.coefficient != 0) return std::nullopt;
    Term q{t.coefficient / d.coefficient, {}};
    std::size_t next = 0;
    for (const AtomPtr& atom : t.atoms) {
      if (next < d.atoms.size() && compare(atom, d.atoms[next]) == 0) ++next;
      else q.atoms.push_back(atom);
    }
    if (next != d.atoms.size()) return std::nullopt;
    quotient.push_back(std::move(q));
  }
  return ExprOps::normalize(std::move(quotient));
}

namespace {
Expr arithmetic(AtomKind kind, std::vector<Expr> args) {
  Atom a{kind};
  a.args = std::move(args);
  return ExprOps::atom(std::move(a));
}

/// floor(a / c) for c > 0: whole multiples of c move out, common factors cancel, nested quotients merge.
Expr floor_div_by(const Expr& a, std::int64_t c) {
  std::vector<Term> whole, rest;
  std::int64_t constant = 0, common = c;
  for (Term& t : a.terms()) {
    if (t.atoms.empty()) {
      whole.push_back({floor_quotient(t.coefficient, c), {}});
      constant = floor_modulo(t.coefficient, c);
    } else if (t.coefficient % c == 0) {
      whole.push_back({t.coefficient / c, std::move(t.atoms)});
    } else {
      common = std::gcd(common, t.coefficient == kLow ? 1 : t.coefficient);
      rest.push_back(std::move(t));
    }
  }
  Expr outside = ExprOps::normalize(std::move(whole));
  if (rest.empty()) return outside;
  for (Term& t : rest) t.coefficient /= common;
  constant /= common;
  c /= common;
  Expr inside = ExprOps::normalize(std::move(rest));
  if (const Atom* atom = ExprOps::single_atom(inside); atom != nullptr && atom->kind == AtomKind::floor_div &&
                                                       atom->args[1].is_constant() && atom->args[1].constant() > 0) {
    std::int64_t inner = atom->args[1].constant();
    return outside + floor_div_by(atom->args[0] + Expr(checked_mul(constant, inner, "an extent")),
                                  checked_mul(c, inner, "an extent"));
  }
  return outside + arithmetic(AtomKind::floor_div, {inside + Expr(constant), Expr(c)});
}
}  // namespace

Expr atom_expr(const std::shared_ptr<const Atom>& atom) { return ExprOps::make({{1, {atom}}}); }

Expr floor_div(const Expr& a, const Expr& b) {
  if (b.is_constant()) {
    std::int64_t c = b.constant();
    if (c == 0) fail("division of the extent {} by zero", to_string(a));
    if (a.is_constant()) return floor_quotient(a.constant(), c);
    return c > 0 ? floor_div_by(a, c) : floor_div_by(Expr(-1) * a, checked_mul(c, -1, "an extent"));
  }
  if (auto q = exact_div(a, b)) return *q;
  return arithmetic(AtomKind::floor_div, {a, b});
}

Expr ceil_div(const Expr& a, const Expr& b) {
  if (b.is_constant() && b.constant() != 0) {
    std::int64_t c = b.constant();
    return c > 0 ? floor_div(a + Expr(c - 1), c) : Expr(-1) * floor_div(a, checked_mul(c, -1, "an extent"));
  }
  if (b.is_constant()) fail("division of the extent {} by zero", to_string(a));
  if (auto q = exact_div(a, b)) return *q;
  return arithmetic(AtomKind::ceil_div, {a, b});
}

Expr mod(const Expr& a, const Expr& b) {
  if (b.is_constant()) {
    std::int64_t c = b.constant();
    if (c == 0) fail("remainder of the extent {} by zero", to_string(a));
    if (a.is_constant()) return floor_modulo(a.constant(), c);
    std::vector<Term> rest;
    for (Term& t : a.terms()) {
      if (t.atoms.empty()) t.coefficient = floor_modulo(t.coefficient, c);
      else if (floor_modulo(t.coefficient, c) == 0) continue;
      rest.push_back(std::move(t));
    }
    Expr e = ExprOps::normalize(std::move(rest));
    if (e.is_constant()) return floor_modulo(e.constant(), c);
    return arithmetic(AtomKind::mod, {e, b});
  }
  if (exact_div(a, b)) return 0;
  return arithmetic(AtomKind::mod, {a, b});
}

namespace {
/// True for max(x, ...) against x: with the inner one a maximum, x can never lie above it (min likewise).
bool contains(const Expr& inner, AtomKind kind, const Expr& x) {
  const Atom* atom = ExprOps::single_atom(inner);
  if (atom == nullptr || atom->kind != kind) return false;
  return std::find(atom->args.begin(), atom->args.end(), x) != atom->args.end();
}

Expr extreme(AtomKind kind, const Expr& a, const Expr& b) {
  const bool is_min = kind == AtomKind::min;
  if (a.is_constant() && b.is_constant())
    return is_min ? std::min(a.constant(), b.constant()) : std::max(a.constant(), b.constant());
  std::vector<Expr> args;
  for (const Expr* e : {&a, &b}) {
    const Atom* atom = ExprOps::single_atom(*e);
    if (atom != nullptr && atom->kind == kind) args.insert(args.end(), atom->args.begin(), atom->args.end());
    else args.push_back(*e);
  }
  // An argument that another one always beats goes; extents are never negative, which decides most cases.
  std::vector<Expr> kept;
  for (std::size_t i = 0; i < args.size(); ++i) {
    bool beaten = false;
    for (std::size_t j = 0; j < args.size() && !beaten; ++j) {
      if (i == j) continue;
      Interval d = range(is_min ? args[i] - args[j] : args[j] - args[i], default_range);
      const bool equal = d.low == 0 && d.high == 0;
      beaten = equal ? j < i : d.low >= 0;
      // max(x, min(x, y)) is x, and min(x, max(x, y)) is x.
      beaten = beaten || contains(args[i], is_min ? AtomKind::max : AtomKind::min, args[j]);
    }
    if (!beaten) kept.push_back(args[i]);
  }
  if (kept.size() == 1) return kept[0];
  std::sort(kept.begin(), kept.end());
  return arithmetic(kind, std::move(kept));
}
}  // namespace

Expr min(const Expr& a, const Expr& b) { return extreme(AtomKind::min, a, b); }
Expr max(const Expr& a, const Expr& b) { return extreme(AtomKind::max, a, b); }

// --- intervals -----------------------------------------------------------------------------------------------

namespace {
std::int64_t saturate(__int128 v) { return v > kHigh ? kHigh : v < kLow ? kLow : static_cast<std::int64_t>(v); }
/// The limits stand for infinity: they absorb whatever is added.
std::int64_t sat_add(std::int64_t a, std::int64_t b) {
  if (a == kHigh || a == kLow) return a;
  if (b == kHigh || b == kLow) return b;
  return saturate(static_cast<__int128>(a) + b);
}
std::int64_t sat_mul(std::int64_t a, std::int64_t b) { return saturate(static_cast<__int128>(a) * b); }

Interval times(Interval a, Interval b) {
  const std::int64_t p[] = {sat_mul(a.low, b.low), sat_mul(a.low, b.high), sat_mul(a.high, b.low),
                            sat_mul(a.high, b.high)};
  return {*std::min_element(p, p + 4), *std::max_element(p, p + 4)};
}

std::int64_t sat_quotient(std::int64_t a, std::int64_t b) {
  if (a == kHigh || a == kLow) return (a > 0) == (b > 0) ? kHigh : kLow;
  return floor_quotient(a, b);
}

Interval atom_interval(const Atom& a, const AtomRange& atom_range) {
  switch (a.kind) {
    case AtomKind::symbol:
    case AtomKind::element: return atom_range(a);
    case AtomKind::extent: return {0, std::max<std::int64_t>(0, range(a.args[0], atom_range).high)};
    case AtomKind::floor_div:
    case AtomKind::ceil_div: {
      Interval n = range(a.args[0], atom_range), d = range(a.args[1], atom_range);
      if (d.low <= 0 && d.high >= 0) {
        // The divisor may be zero, which evaluation reports; a positive divisor is what extents give.
        if (d.high == 0 || d.low < 0) return {kLow, kHigh};
        d.low = 1;
      }
      Interval r{kHigh, kLow};
      for (std::int64_t x : {n.low, n.high})
        for (std::int64_t y : {d.low, d.high}) {
          std::int64_t q = sat_quotient(x, y);
          if (a.kind == AtomKind::ceil_div && q != kHigh && q != kLow && x != kHigh && x != kLow && x % y != 0) ++q;
          r.low = std::min(r.low, q);
          r.high = std::max(r.high, q);
        }
      return r;
    }
    case AtomKind::mod: {
      Interval n = range(a.args[0], atom_range), d = range(a.args[1], atom_range);
      if (d.low < 0) return {kLow, kHigh};
      std::int64_t top = d.high == kHigh ? kHigh : std::max<std::int64_t>(0, d.high - 1);
      if (n.low >= 0) {
        if (n.high < d.low) return n;
        top = std::min(top, n.high);
      }
      return {0, top};
    }
    case AtomKind::min:
    case AtomKind::max: {
      Interval r = range(a.args[0], atom_range);
      for (std::size_t i = 1; i < a.args.size(); ++i) {
        Interval x = range(a.args[i], atom_range);
        r = a.kind == AtomKind::min ? Interval{std::min(r.low, x.low), std::min(r.high, x.high)}
                                    : Interval{std::max(r.low, x.low), std::max(r.high, x.high)};
      }
      return r;
    }
  }
  return {kLow, kHigh};
}
}  // namespace

Interval range(const Expr& e, const AtomRange& atom_range) {
  const std::vector<Term>* terms = ExprOps::raw(e);
  if (terms == nullptr) return {ExprOps::value(e), ExprOps::value(e)};
  Interval sum{0, 0};
  for (const Term& t : *terms) {
    Interval p{t.coefficient, t.coefficient};
    for (std::size_t i = 0; i < t.atoms.size();) {
      std::size_t power = 1;
      while (i + power < t.atoms.size() && compare(t.atoms[i], t.atoms[i + power]) == 0) ++power;
      Interval base = atom_interval(*t.atoms[i], atom_range), r = base;
      for (std::size_t k = 1; k < power; ++k) r = times(r, base);
      if (power % 2 == 0 && base.low < 0) {
        // An even power is never negative.
        if (base.high >= 0) r.low = 0;
        else r.low = std::max<std::int64_t>(r.low, 0);
      }
      p = times(p, r);
      i += power;
    }
    sum = {sat_add(sum.low, p.low), sat_add(sum.high, p.high)};
  }
  return sum;
}

// --- evaluation ----------------------------------------------------------------------------------------------

namespace {
std::int64_t evaluate_atom(const Atom& a, const std::function<std::int64_t(const Atom&)>& atom_value) {
  switch (a.kind) {
    case AtomKind::symbol:
    case AtomKind::element:
    case AtomKind::extent: return atom_value(a);
    default: break;
  }
  std::int64_t r = evaluate(a.args[0], atom_value);
  for (std::size_t i = 1; i < a.args.size(); ++i) {
    std::int64_t b = evaluate(a.args[i], atom_value);
    if (a.kind == AtomKind::min) {
      r = std::min(r, b);
      continue;
    }
    if (a.kind == AtomKind::max) {
      r = std::max(r, b);
      continue;
    }
    if (b == 0) fail("division by zero in the shape expression {}", to_string(a.args[i]));
    if (a.kind == AtomKind::floor_div) r = floor_quotient(r, b);
    else if (a.kind == AtomKind::mod) r = floor_modulo(r, b);
    else r = checked_add(floor_quotient(r, b), floor_modulo(r, b) != 0 ? 1 : 0, "an extent");
  }
  return r;
}
}  // namespace

std::int64_t evaluate(const Expr& e, const std::function<std::int64_t(const Atom&)>& atom_value) {
  const std::vector<Term>* terms = ExprOps::raw(e);
  if (terms == nullptr) return ExprOps::value(e);
  std::int64_t sum = 0;
  for (const Term& t : *terms) {
    std::int64_t p = t.coefficient;
    for (const AtomPtr& a : t.atoms) p = checked_mul(p, evaluate_atom(*a, atom_value), "an extent");
    sum = checked_add(sum, p, "an extent");
  }
  return sum;
}

Expr substitute(const Expr& e, const std::function<std::optional<Expr>(const Atom&)>& replacement) {
  if (e.is_constant()) return e;
  Expr sum;
  for (const Term& t : e.terms()) {
    Expr p(t.coefficient);
    for (const AtomPtr& a : t.atoms) {
      const bool leaf = a->kind == AtomKind::symbol || a->kind == AtomKind::element || a->kind == AtomKind::extent;
      if (leaf) {
        if (auto r = replacement(*a)) {
          p = p * *r;
          continue;
        }
      }
      std::vector<Expr> args;
      for (const Expr& arg : a->args) args.push_back(substitute(arg, replacement));
      Expr x;
      switch (a->kind) {
        case AtomKind::symbol: x = Expr::symbol(a->name); break;
        case AtomKind::element: x = Expr::element(a->value, a->index); break;
        case AtomKind::extent: x = Expr::extent(a->value, a->index, args[0]); break;
        case AtomKind::floor_div: x = floor_div(args[0], args[1]); break;
        case AtomKind::ceil_div: x = ceil_div(args[0], args[1]); break;
        case AtomKind::mod: x = mod(args[0], args[1]); break;
        case AtomKind::min:
        case AtomKind::max:
          x = args[0];
          for (std::size_t i = 1; i < args.size(); ++i) x = extreme(a->kind, x, args[i]);
          break;
      }
      p = p * x;
    }
    sum = sum + p;
  }
  return sum;
}

SymShape constant_shape(const std::vector<std::int64_t>& extents) { return SymShape(extents.begin(), extents.end()); }

Expr product(const SymShape& shape, std::size_t begin, std::size_t end) {
  Expr p(1);
  for (std::size_t i = begin; i < end; ++i) p = p * shape[i];
  return p;
}

}  // namespace monza::ir
