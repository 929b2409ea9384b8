// JSON's numbers within bounds, as automata of their digits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grammar/dfa.h"

namespace monza::grammar {

/// A decimal number without rounding: 0.DIGITS * 10^point, negative or not.
struct Decimal {
  bool negative = false;
  std::string digits;  ///< without zeros at either end; "" for 0
  int point = 0;       ///< digits in front of the point; below 0: zeros behind it

  /// Of JSON's "-12.5e3", a double's text.
  static Decimal parse(const std::string& text);
  /// Digit `place` in front of the point (1: the ones), or behind it (0: the tenths, -1: the hundredths).
  int digit(int place) const;
  bool is_zero() const { return digits.empty(); }
  /// Digits behind the point.
  int fraction() const;
};
/// Below 0, 0, above 0 as a is less than, equal to, more than b.
int compare(const Decimal& a, const Decimal& b);

struct NumberRange {
  bool integers = true, fractions = true;  ///< whether whole numbers, and others, may be
  struct Bound {
    Decimal value;
    bool exclusive = false;
  };
  std::optional<Bound> least, most;
  std::vector<Decimal> multiples;  ///< the number is a multiple of each
  bool is_free() const { return !least && !most && multiples.empty(); }
};

/// Without bounds and multiples, JSON's numbers. Whole ones alone are written without point and exponent; with bounds
/// or multiples all are written without exponent. Throws Error for multiples whose automaton is too large.
DfaPtr numbers(const NumberRange& range, Budget& budget);

}  // namespace monza::grammar
