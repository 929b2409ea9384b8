// Symbolic integers: extents of dynamic shapes and elements of small integer tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monza::ir {

/// What an atom of an expression stands for. Atoms are read at run time; everything else is arithmetic on them.
enum class AtomKind : std::uint8_t {
  symbol,   ///< an input's extent: `name`
  element,  ///< element `index` of the host-resident integer tensor with graph value `value`
  extent,   ///< the `index`-th extent that the kernel producing `value` reports, at most `bound`
  floor_div,
  ceil_div,
  mod,
  min,
  max,  ///< arithmetic that polynomials cannot hold, over `args`
};

class Expr;
struct Atom;

/// An immutable integer expression in canonical form: a polynomial with integer coefficients over atoms.
/// Equal polynomials compare equal, so `2*a + b` equals `b + a + a`. Cheap to copy; safe to share between threads.
class Expr {
 public:
  Expr(std::int64_t constant = 0);  // NOLINT(google-explicit-constructor): integers are expressions
  static Expr symbol(std::string name);
  static Expr element(std::uint32_t value, std::int64_t index);
  static Expr extent(std::uint32_t value, std::int64_t index, const Expr& bound);

  bool is_constant() const;
  /// The value of a constant expression; Error otherwise.
  std::int64_t constant() const;
  std::optional<std::int64_t> try_constant() const;

  friend Expr operator+(const Expr& a, const Expr& b);
  friend Expr operator-(const Expr& a, const Expr& b);
  friend Expr operator*(const Expr& a, const Expr& b);
  friend bool operator==(const Expr& a, const Expr& b);
  /// Total order, stable between runs: for canonical printing and for maps.
  friend bool operator<(const Expr& a, const Expr& b);

  /// Polynomial with its coefficients: sum over terms of coefficient * product of atoms (sorted).
  struct Term {
    std::int64_t coefficient;
    std::vector<std::shared_ptr<const Atom>> atoms;
  };
  /// The terms in canonical order, the constant term (no atoms) first; none for zero.
  std::vector<Term> terms() const;
  /// Memory that it takes, shared with copies or not.
  std::int64_t bytes() const;

 private:
  friend struct ExprOps;
  std::int64_t value_ = 0;                          // when terms_ is null
  std::shared_ptr<const std::vector<Term>> terms_;  // otherwise
};

struct Atom {
  AtomKind kind;
  std::string name;         // symbol
  std::uint32_t value = 0;  // element, extent: the graph value's id
  std::int64_t index = 0;   // element, extent
  std::vector<Expr> args;   // arithmetic; extent: its bound
  int depth = 1;            // of nesting; limited, because shapes come from strangers' files
  int size = 1;             // atoms in it, counted as a tree; limited likewise
};

/// The expression that is just this atom.
Expr atom_expr(const std::shared_ptr<const Atom>& atom);
/// Division folds when it is exact term by term; rounding is toward minus infinity (floor) or plus (ceil).
Expr floor_div(const Expr& a, const Expr& b);
Expr ceil_div(const Expr& a, const Expr& b);
Expr mod(const Expr& a, const Expr& b);
Expr min(const Expr& a, const Expr& b);
Expr max(const Expr& a, const Expr& b);
/// a / b if b divides a as a polynomial; nullopt otherwise.
std::optional<Expr> exact_div(const Expr& a, const Expr& b);

/// "2*batch + floor_div(h, 2)"; parse_expr reads it back. Elements print as elem(%7, 0), extents as extent(%7, 0,
/// bound).
std::string to_string(const Expr& e);
Expr parse_expr(std::string_view text);

struct Interval {
  std::int64_t low, high;
};
/// Gives an atom's range; only called for symbol and element atoms. Extents range over [0, high(bound)].
using AtomRange = std::function<Interval(const Atom&)>;
/// Interval arithmetic; saturates at the 64-bit limits.
Interval range(const Expr& e, const AtomRange& atom_range);
/// Value of the expression for given atoms (symbol, element and extent); Error on overflow or division by zero.
std::int64_t evaluate(const Expr& e, const std::function<std::int64_t(const Atom&)>& atom_value);
/// The expression with each symbol, element and extent atom replaced; nullopt keeps the atom.
Expr substitute(const Expr& e, const std::function<std::optional<Expr>(const Atom&)>& replacement);

/// A shape whose extents are expressions.
using SymShape = std::vector<Expr>;
std::string to_string(const SymShape& shape);
SymShape constant_shape(const std::vector<std::int64_t>& extents);
Expr product(const SymShape& shape, std::size_t begin, std::size_t end);
inline Expr product(const SymShape& shape) { return product(shape, 0, shape.size()); }

}  // namespace monza::ir
