#include "grammar/numbers.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/error.h"

namespace monza::grammar {
namespace {

constexpr long kMostExponent = 400;  ///< a double has none beyond
constexpr std::uint64_t kMaxMultiple = 100'000;

/// How the digits of a number that are known so far stand to those of a bound, signs aside.
enum class Order : std::uint8_t { less, equal, more };

/// What is known of a number that is read digit by digit.
struct Reading {
  enum class At : std::uint8_t { begin, sign, zero, whole, point, fraction } at = At::begin;
  bool negative = false;
  int digits = 0;  ///< in front of the point, then behind it; as many as make a difference
  bool zero = true, has_fraction = false;
  Order least = Order::equal, most = Order::equal;
  std::vector<std::uint32_t> remainders;
  auto operator<=>(const Reading&) const = default;
};

/// A multiple m as a whole number of units 10^-places.
struct Modulus {
  std::uint32_t value;
  int places;
};

class NumberReader {
 public:
  NumberReader(const NumberRange& range, Budget& budget) : range_(range), builder_(budget) {
    for (const Decimal& m : range.multiples) {
      const int places = std::max(0, m.fraction());
      std::uint64_t units = 0;
      for (int p = std::max(m.point, 1); p > -places && units <= kMaxMultiple; --p)
        units = units * 10 + static_cast<std::uint64_t>(m.digit(p));
      if (units > kMaxMultiple) fail("multiples of a number with so many digits are not supported");
      moduli_.push_back({static_cast<std::uint32_t>(units), places});
      most_places_ = std::max(most_places_, places);
    }
    for (const auto& bound : {range.least, range.most})
      if (bound) {
        most_whole_ = std::max(most_whole_, bound->value.point);
        most_places_ = std::max(most_places_, bound->value.fraction());
      }
  }

  DfaPtr build() {
    Reading begin;
    begin.remainders.resize(moduli_.size());
    (void)number(begin);
    for (std::size_t s = 0; s < open_.size(); ++s)
      for (const char c : {'-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}) {
        Reading r = open_[s];
        const auto byte = static_cast<std::uint8_t>(c);
        if (take(r, c)) builder_.edge(static_cast<Dfa::State>(s), {byte, byte, number(r)});
      }
    return builder_.build();
  }

 private:
  using At = Reading::At;

  Dfa::State number(const Reading& r) {
    const auto [found, is_new] = numbers_.emplace(r, static_cast<Dfa::State>(open_.size()));
    if (is_new) {
      open_.push_back(r);
      (void)builder_.add(accepts(r) ? 1 : 0);
    }
    return found->second;
  }

  /// The digit as a further one in front of the point. Every bound is compared as if it had as many; a number with more
  /// is more, one that turns out to have fewer is less.
  void whole_digit(Reading& r, int digit) const {
    r.zero = r.zero && digit == 0;
    r.digits = std::min(r.digits + 1, most_whole_ + 1);
    const auto look = [&](const std::optional<NumberRange::Bound>& bound, Order& order) {
      if (!bound) return;
      const int size = std::max(bound->value.point, 1);
      if (r.digits > size) order = Order::more;
      else if (order == Order::equal) order = compare_digit(digit, bound->value.digit(size - r.digits + 1));
    };
    look(range_.least, r.least);
    look(range_.most, r.most);
    for (std::size_t m = 0; m < moduli_.size(); ++m) add_digit(r.remainders[m], digit, moduli_[m].value);
  }
  void point(Reading& r) const {
    const auto look = [&](const std::optional<NumberRange::Bound>& bound, Order& order) {
      if (bound && r.digits < std::max(bound->value.point, 1)) order = Order::less;
    };
    look(range_.least, r.least);
    look(range_.most, r.most);
    r.digits = 0;
  }
  /// False where no digits behind this one make a multiple of it.
  bool fraction_digit(Reading& r, int digit) const {
    r.zero = r.zero && digit == 0;
    r.has_fraction = r.has_fraction || digit != 0;
    const int place = -r.digits;
    r.digits = std::min(r.digits + 1, most_places_ + 1);
    const auto look = [&](const std::optional<NumberRange::Bound>& bound, Order& order) {
      if (bound && order == Order::equal) order = compare_digit(digit, bound->value.digit(place));
    };
    look(range_.least, r.least);
    look(range_.most, r.most);
    for (std::size_t m = 0; m < moduli_.size(); ++m)
      if (r.digits <= moduli_[m].places) add_digit(r.remainders[m], digit, moduli_[m].value);
      else if (digit != 0) return false;
    return true;
  }
  static void add_digit(std::uint32_t& remainder, int digit, std::uint32_t modulus) {
    if (modulus > 0)
      remainder = static_cast<std::uint32_t>((std::uint64_t{remainder} * 10 + static_cast<unsigned>(digit)) % modulus);
  }
  static Order compare_digit(int digit, int of) {
    return digit < of ? Order::less : digit > of ? Order::more : Order::equal;
  }

  bool take(Reading& r, char c) const {
    const int digit = c - '0';
    const bool is_digit = c >= '0' && c <= '9';
    switch (r.at) {
      case At::begin:
        if (c == '-') return r.at = At::sign, r.negative = true, true;
        [[fallthrough]];
      case At::sign:
        if (!is_digit) return false;
        r.at = digit == 0 ? At::zero : At::whole;
        whole_digit(r, digit);
        return true;
      case At::whole:
        if (is_digit) return whole_digit(r, digit), true;
        [[fallthrough]];
      case At::zero:
        if (c != '.' || !range_.fractions) return false;
        point(r);
        r.at = At::point;
        return true;
      case At::point:
      case At::fraction:
        if (!is_digit) return false;
        r.at = At::fraction;
        return fraction_digit(r, digit);
    }
    return false;
  }

  bool accepts(Reading r) const {
    if (r.at == At::begin || r.at == At::sign || r.at == At::point) return false;
    if (r.at != At::fraction) point(r);
    // "-0" is 0, and need not be written so where it matters.
    if (r.negative && r.zero && r.at != At::fraction) return false;
    if (!range_.integers && !r.has_fraction) return false;
    for (std::size_t m = 0; m < moduli_.size(); ++m) {
      std::uint32_t remainder = r.remainders[m];
      for (int p = r.digits; p < moduli_[m].places; ++p) add_digit(remainder, 0, moduli_[m].value);
      if (moduli_[m].value == 0 ? !r.zero : remainder != 0) return false;
    }
    const auto stands = [&](const NumberRange::Bound& bound, Order order) {
      const bool same_sign = r.negative == bound.value.negative;
      if (order == Order::equal) order = rest_of(bound.value, r.digits);
      if (r.zero) order = bound.value.is_zero() ? Order::equal : bound.value.negative ? Order::more : Order::less;
      else if (!same_sign || bound.value.is_zero()) order = r.negative ? Order::less : Order::more;
      else if (r.negative && order != Order::equal) order = order == Order::less ? Order::more : Order::less;
      return order;
    };
    const auto holds = [&](const std::optional<NumberRange::Bound>& bound, Order order, Order wanted) {
      if (!bound) return true;
      const Order is = stands(*bound, order);
      return is == wanted || (is == Order::equal && !bound->exclusive);
    };
    return holds(range_.least, r.least, Order::more) && holds(range_.most, r.most, Order::less);
  }
  /// Of a number whose first `read` digits behind the point are the bound's: less, where the bound has more.
  static Order rest_of(const Decimal& bound, int read) { return bound.fraction() > read ? Order::less : Order::equal; }

  const NumberRange& range_;
  DfaBuilder builder_;
  std::vector<Modulus> moduli_;
  int most_whole_ = 1, most_places_ = 0;
  std::map<Reading, Dfa::State> numbers_;
  std::vector<Reading> open_;
};

/// -?(0|[1-9][0-9]*), and with fractions (\.[0-9]+)?([eE][-+]?[0-9]+)?
DfaPtr free_numbers(bool fractions, Budget& budget) {
  DfaBuilder b(budget);
  enum : Dfa::State { begin, sign, zero, whole, point, fraction, e, e_sign, exponent };
  for (const std::uint32_t label : {0, 0, 1, 1, 0, 1, 0, 0, 1}) (void)b.add(label);
  b.edge(begin, {'-', '-', sign});
  for (const Dfa::State s : {begin, sign}) b.edge(s, {'0', '0', zero}), b.edge(s, {'1', '9', whole});
  b.edge(whole, {'0', '9', whole});
  if (!fractions) return b.build();
  for (const Dfa::State s : {zero, whole, fraction})
    for (const std::uint8_t c : {'e', 'E'}) b.edge(s, {c, c, e});
  for (const Dfa::State s : {zero, whole}) b.edge(s, {'.', '.', point});
  for (const Dfa::State s : {point, fraction}) b.edge(s, {'0', '9', fraction});
  for (const std::uint8_t c : {'-', '+'}) b.edge(e, {c, c, e_sign});
  for (const Dfa::State s : {e, e_sign, exponent}) b.edge(s, {'0', '9', exponent});
  return b.build();
}

}  // namespace

Decimal Decimal::parse(const std::string& text) {
  Decimal d;
  std::size_t i = 0;
  if (i < text.size() && text[i] == '-') d.negative = true, ++i;
  bool behind_point = false;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      behind_point = true;
      continue;
    }
    d.digits += text[i];
    if (!behind_point) ++d.point;
  }
  if (i < text.size())
    d.point +=
        static_cast<int>(std::clamp(std::strtol(text.c_str() + i + 1, nullptr, 10), -kMostExponent, kMostExponent));
  const std::size_t first = std::min(d.digits.find_first_not_of('0'), d.digits.size());
  d.digits.erase(0, first);
  d.point -= static_cast<int>(first);
  d.digits.erase(d.digits.find_last_not_of('0') + 1);
  if (d.digits.empty()) return {};
  return d;
}

int Decimal::digit(int place) const {
  const int at = point - place;
  return at < 0 || at >= static_cast<int>(digits.size()) ? 0 : digits[static_cast<std::size_t>(at)] - '0';
}

int Decimal::fraction() const { return std::max(0, static_cast<int>(digits.size()) - point); }

int compare(const Decimal& a, const Decimal& b) {
  const auto sign = [](const Decimal& d) { return d.is_zero() ? 0 : d.negative ? -1 : 1; };
  if (sign(a) != sign(b)) return sign(a) < sign(b) ? -1 : 1;
  if (a.is_zero()) return 0;
  const int size = a.point != b.point ? (a.point < b.point ? -1 : 1) : a.digits.compare(b.digits);
  return a.negative ? -size : size;
}

DfaPtr numbers(const NumberRange& range, Budget& budget) {
  if (range.is_free() && range.integers) return free_numbers(range.fractions, budget);
  return NumberReader(range, budget).build();
}

}  // namespace monza::grammar
