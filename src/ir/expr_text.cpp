// Expressions as text.
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "ir/expr.h"

namespace monza::ir {

namespace {
constexpr int kMaxNesting = 100;
constexpr const char* kFunctions[] = {"floor_div", "ceil_div", "mod", "min", "max", "elem", "extent"};

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.'; }

std::string quote_symbol(const std::string& name) {
  bool plain = is_name_start(name[0]);
  for (char c : name) plain = plain && is_name_char(c);
  for (const char* f : kFunctions) plain = plain && name != f;
  if (plain) return name;
  std::string text = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

std::string atom_text(const Atom& a) {
  const char* function = "";
  switch (a.kind) {
    case AtomKind::symbol: return quote_symbol(a.name);
    case AtomKind::element: return fmt::format("elem(%{}, {})", a.value, a.index);
    case AtomKind::extent: return fmt::format("extent(%{}, {}, {})", a.value, a.index, to_string(a.args[0]));
    case AtomKind::floor_div: function = "floor_div"; break;
    case AtomKind::ceil_div: function = "ceil_div"; break;
    case AtomKind::mod: function = "mod"; break;
    case AtomKind::min: function = "min"; break;
    case AtomKind::max: function = "max"; break;
  }
  std::string text = std::string(function) + "(";
  for (std::size_t i = 0; i < a.args.size(); ++i) text += (i > 0 ? ", " : "") + to_string(a.args[i]);
  return text + ")";
}

class ExprReader {
 public:
  explicit ExprReader(std::string_view text) : text_(text) {}

  Expr all() {
    Expr e = sum();
    skip();
    if (at_ != text_.size()) bad("unexpected text after the expression");
    return e;
  }

 private:
  [[noreturn]] void bad(const char* what) const {
    fail("{} at position {} of the expression '{}'", what, at_ + 1, text_.substr(0, 200));
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c, const char* what) {
    if (!take(c)) bad(what);
  }
  std::int64_t integer() {
    skip();
    std::int64_t v = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc()) bad("an integer is expected");
    at_ = static_cast<std::size_t>(end - text_.data());
    return v;
  }
  Expr sum() {
    if (++nesting_ > kMaxNesting) bad("nesting is too deep");
    // A minus belongs to the integer where one follows, so that the lowest integer can be read.
    Expr e;
    if (peek() == '-' && !(at_ + 1 < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_ + 1])) != 0)) {
      ++at_;
      e = Expr(-1) * term();
    } else {
      e = term();
    }
    while (true) {
      if (take('+')) e = e + term();
      else if (take('-')) e = e - term();
      else break;
    }
    --nesting_;
    return e;
  }
  Expr term() {
    Expr e = factor();
    while (take('*')) e = e * factor();
    return e;
  }
  Expr factor() {
    char c = peek();
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '-') return integer();
    if (c == '(') {
      ++at_;
      Expr e = sum();
      expect(')', "')' is expected");
      return e;
    }
    if (c == '"') {
      ++at_;
      std::string name;
      while (at_ < text_.size() && text_[at_] != '"') {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        name += text_[at_++];
      }
      if (at_ >= text_.size()) bad("an unfinished quotation");
      ++at_;
      return Expr::symbol(std::move(name));
    }
    if (!is_name_start(c)) bad("a number, a name or '(' is expected");
    std::size_t begin = at_;
    while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    std::string name(text_.substr(begin, at_ - begin));
    bool function = false;
    for (const char* f : kFunctions) function = function || name == f;
    if (!function) return Expr::symbol(std::move(name));
    expect('(', "'(' is expected");
    Expr result;
    if (name == "elem" || name == "extent") {
      expect('%', "'%' and a value's number are expected");
      std::int64_t value = integer();
      if (value < 0 || value >= 0xffffffffLL) bad("no such value");
      expect(',', "',' is expected");
      std::int64_t index = integer();
      if (index < 0) bad("a negative index");
      if (name == "elem") {
        result = Expr::element(static_cast<std::uint32_t>(value), index);
      } else {
        expect(',', "',' is expected");
        result = Expr::extent(static_cast<std::uint32_t>(value), index, sum());
      }
    } else {
      result = sum();
      int count = 1;
      while (take(',')) {
        Expr b = sum();
        if (name == "min") result = min(result, b);
        else if (name == "max") result = max(result, b);
        else if (++count > 2) bad("two arguments are expected");
        else if (name == "floor_div") result = floor_div(result, b);
        else if (name == "ceil_div") result = ceil_div(result, b);
        else result = mod(result, b);
      }
      if (name != "min" && name != "max" && count != 2) bad("two arguments are expected");
    }
    expect(')', "')' is expected");
    return result;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};
}  // namespace

std::string to_string(const Expr& e) {
  if (auto c = e.try_constant()) return std::to_string(*c);
  std::string text;
  auto append = [&](const Expr::Term& t) {
    const bool negative = t.coefficient < 0;
    // The sign is dropped from the digits, so that the lowest integer prints too.
    std::string digits = std::to_string(t.coefficient);
    if (negative) digits.erase(0, 1);
    text += text.empty() ? (negative ? "-" : "") : (negative ? " - " : " + ");
    const bool one = digits == "1" && !t.atoms.empty();
    if (!one) text += digits;
    for (std::size_t i = 0; i < t.atoms.size(); ++i) text += (i > 0 || !one ? "*" : "") + atom_text(*t.atoms[i]);
  };
  const std::vector<Expr::Term> terms = e.terms();
  for (const Expr::Term& t : terms)
    if (!t.atoms.empty()) append(t);
  if (terms[0].atoms.empty()) append(terms[0]);
  return text;
}

Expr parse_expr(std::string_view text) { return ExprReader(text).all(); }

std::string to_string(const SymShape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? "," : "") + to_string(shape[i]);
  return text + "]";
}

}  // namespace monza::ir
