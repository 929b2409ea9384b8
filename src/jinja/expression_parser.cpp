#include "jinja/expression_parser.h"

#include <algorithm>
#include <array>

namespace monza::jinja {
namespace {

using Kind = Expression::Kind;

constexpr int kMaxExpression = 100;  ///< levels

/// Counts levels of recursion while it lives.
class Nesting {
 public:
  Nesting(int& depth, int line) : depth_(depth) {
    if (++depth_ > kMaxExpression) {
      --depth_;
      fail("line {}: an expression nests more than {} deep", line, kMaxExpression);
    }
  }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

}  // namespace

Expression ExpressionParser::make(Kind kind, std::vector<Expression> parts, std::string text) const {
  Expression made{kind, words_.now().line, std::move(text), None{}, std::move(parts), {}, 1};
  for (const Expression& part : made.parts) made.depth = std::max(made.depth, part.depth + 1);
  if (made.depth > kMaxExpression) fail("line {}: an expression nests more than {} deep", made.line, kMaxExpression);
  return made;
}

namespace {

std::vector<Expression> list_of(Expression a) {
  std::vector<Expression> all;
  all.push_back(std::move(a));
  return all;
}
std::vector<Expression> list_of(Expression a, Expression b) {
  std::vector<Expression> all = list_of(std::move(a));
  all.push_back(std::move(b));
  return all;
}

}  // namespace

Expression ExpressionParser::expression(bool with_condition) {
  const Nesting nesting(depth_, words_.now().line);
  Expression made = either();
  while (with_condition && words_.take_name("if")) {
    std::vector<Expression> parts = list_of(either(), std::move(made));
    if (words_.take_name("else")) parts.push_back(expression());
    made = make(Kind::condition, std::move(parts));
  }
  return made;
}

Expression ExpressionParser::tuple(bool with_condition) {
  Expression first = expression(with_condition);
  if (!words_.is_sign(",")) return first;
  std::vector<Expression> parts = list_of(std::move(first));
  while (words_.take_sign(",")) {
    if (words_.is(Word::Kind::tag_end) || words_.is(Word::Kind::output_end) || words_.is_sign(")")) break;
    parts.push_back(expression(with_condition));
  }
  return make(Kind::tuple, std::move(parts));
}

Expression ExpressionParser::either() {
  Expression made = both();
  while (words_.take_name("or")) made = make(Kind::either, list_of(std::move(made), both()));
  return made;
}

Expression ExpressionParser::both() {
  Expression made = negation();
  while (words_.take_name("and")) made = make(Kind::both, list_of(std::move(made), negation()));
  return made;
}

Expression ExpressionParser::negation() {
  if (!words_.take_name("not")) return comparison();
  const Nesting nesting(depth_, words_.now().line);
  return make(Kind::negation, list_of(negation()));
}

Expression ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  std::vector<Expression> parts = list_of(sum());
  std::vector<std::string> names;
  for (;;) {
    const bool sign = words_.is(Word::Kind::sign) &&
                      std::find(kOperators.begin(), kOperators.end(), words_.now().text) != kOperators.end();
    if (sign || words_.is_name("in")) {
      names.push_back(words_.take().text);
    } else if (words_.is_name("not") && words_.later(1).kind == Word::Kind::name && words_.later(1).text == "in") {
      words_.take(), words_.take();
      names.push_back("not in");
    } else {
      break;
    }
    parts.push_back(sum());
  }
  if (names.empty()) return std::move(parts[0]);
  Expression made = make(Kind::comparison, std::move(parts));
  made.names = std::move(names);
  return made;
}

Expression ExpressionParser::sum() {
  Expression made = join();
  while (words_.is_sign("+") || words_.is_sign("-")) {
    std::string text = words_.take().text;
    made = make(Kind::arithmetic, list_of(std::move(made), join()), std::move(text));
  }
  return made;
}

Expression ExpressionParser::join() {
  Expression first = product();
  if (!words_.is_sign("~")) return first;
  std::vector<Expression> parts = list_of(std::move(first));
  while (words_.take_sign("~")) parts.push_back(product());
  return make(Kind::join, std::move(parts));
}

Expression ExpressionParser::product() {
  Expression made = power();
  while (words_.is_sign("*") || words_.is_sign("/") || words_.is_sign("//") || words_.is_sign("%")) {
    std::string text = words_.take().text;
    made = make(Kind::arithmetic, list_of(std::move(made), power()), std::move(text));
  }
  return made;
}

Expression ExpressionParser::power() {
  Expression made = unary();
  while (words_.take_sign("**")) made = make(Kind::arithmetic, list_of(std::move(made), unary()), "**");
  return made;
}

Expression ExpressionParser::unary(bool with_filters) {
  const Nesting nesting(depth_, words_.now().line);
  Expression made = words_.take_sign("-")   ? make(Kind::minus, list_of(unary(false)))
                    : words_.take_sign("+") ? make(Kind::plus, list_of(unary(false)))
                                            : primary();
  made = postfix(std::move(made));
  return with_filters ? filters(std::move(made)) : made;
}

Expression ExpressionParser::primary() {
  if (words_.is(Word::Kind::literal)) {
    Expression made = make(Kind::literal);
    made.value = words_.take().value;
    while (made.value.text() != nullptr && words_.is(Word::Kind::literal) && words_.now().value.text() != nullptr)
      made.value = *made.value.text() + *words_.take().value.text();  // texts side by side are one
    return made;
  }
  if (words_.is(Word::Kind::name)) {
    Expression made = make(Kind::name, {}, words_.take().text);
    const std::string& name = made.text;
    const bool yes = name == "true" || name == "True", no = name == "false" || name == "False";
    if (!yes && !no && name != "none" && name != "None") return made;
    made.kind = Kind::literal;
    if (yes || no) made.value = yes;
    return made;
  }
  if (words_.take_sign("(")) {
    if (words_.take_sign(")")) return make(Kind::tuple);
    Expression made = tuple();
    words_.need_sign(")");
    return made;
  }
  if (words_.is_sign("[")) return brackets();
  if (words_.is_sign("{")) return dict();
  words_.unexpected("an expression");
}

Expression ExpressionParser::brackets() {
  words_.need_sign("[");
  std::vector<Expression> parts;
  while (!words_.is_sign("]")) {
    parts.push_back(expression());
    if (!words_.take_sign(",")) break;
  }
  words_.need_sign("]");
  return make(Kind::list, std::move(parts));
}

Expression ExpressionParser::dict() {
  words_.need_sign("{");
  std::vector<Expression> parts;
  while (!words_.is_sign("}")) {
    parts.push_back(expression());
    words_.need_sign(":");
    parts.push_back(expression());
    if (!words_.take_sign(",")) break;
  }
  words_.need_sign("}");
  return make(Kind::dict, std::move(parts));
}

Expression ExpressionParser::postfix(Expression subject) {
  for (;;) {
    if (words_.take_sign(".")) {
      if (words_.is(Word::Kind::literal) && words_.now().value.is<std::int64_t>()) {
        Expression index = make(Kind::literal);
        index.value = words_.take().value;
        subject = make(Kind::item, list_of(std::move(subject), std::move(index)));
      } else {
        std::string name = words_.need_name();
        subject = make(Kind::attribute, list_of(std::move(subject)), std::move(name));
      }
    } else if (words_.take_sign("[")) {
      subject = subscript(std::move(subject));
    } else if (words_.is_sign("(")) {
      subject = make(Kind::call, list_of(std::move(subject)));
      arguments(subject);
    } else {
      return subject;
    }
  }
}

Expression ExpressionParser::subscript(Expression subject) {
  std::vector<Expression> bounds;
  const auto bound = [&] {
    const bool none = words_.is_sign(":") || words_.is_sign("]");
    bounds.push_back(none ? make(Kind::literal) : tuple());
  };
  bound();
  const bool slice = words_.is_sign(":");
  while (words_.take_sign(":")) bound();
  words_.need_sign("]");
  if (bounds.size() > 3) words_.unexpected("a slice of three parts at most");
  std::vector<Expression> parts = list_of(std::move(subject));
  for (Expression& b : bounds) parts.push_back(std::move(b));
  while (slice && parts.size() < 4) parts.push_back(make(Kind::literal));
  return make(slice ? Kind::slice : Kind::item, std::move(parts));
}

/// "(...)" behind what is called.
void ExpressionParser::arguments(Expression& call) {
  words_.need_sign("(");
  while (!words_.is_sign(")")) {
    if (words_.is_sign("*") || words_.is_sign("**"))
      fail("line {}: arguments that are unpacked ('{}') are not supported", words_.now().line, words_.now().text);
    const Word& next = words_.later(1);
    if (words_.is(Word::Kind::name) && next.kind == Word::Kind::sign && next.text == "=") {
      call.names.push_back(words_.take().text);
      words_.take();
    } else if (!call.names.empty()) {
      words_.unexpected("an argument with its name, as the one before has it");
    }
    call.parts.push_back(expression());
    call.depth = std::max(call.depth, call.parts.back().depth + 1);
    if (!words_.take_sign(",")) break;
  }
  words_.need_sign(")");
}

Expression ExpressionParser::filters(Expression subject) {
  for (;;) {
    if (words_.take_sign("|")) subject = filter(std::move(subject));
    else if (words_.take_name("is")) subject = test(std::move(subject));
    else if (words_.is_sign("(")) subject = postfix(std::move(subject));
    else return subject;
  }
}

Expression ExpressionParser::filter(Expression subject) {
  std::string name = words_.need_name();
  Expression made = make(Kind::filter, list_of(std::move(subject)), std::move(name));
  if (words_.is_sign("(")) arguments(made);
  return made;
}

Expression ExpressionParser::test(Expression subject) {
  constexpr std::array<std::string_view, 6> kOthers = {"else", "or", "and", "is", "if", "not"};
  const bool negated = words_.take_name("not");
  std::string name = words_.need_name();
  Expression made = make(Kind::test, list_of(std::move(subject)), std::move(name));
  const bool bracket = words_.is_sign("[") || words_.is_sign("{");
  const bool word =
      words_.is(Word::Kind::literal) ||
      (words_.is(Word::Kind::name) && std::find(kOthers.begin(), kOthers.end(), words_.now().text) == kOthers.end() &&
       !words_.is_name("in"));
  if (words_.is_sign("(")) {
    arguments(made);
  } else if (bracket || word) {
    made.parts.push_back(postfix(primary()));
    made.depth = std::max(made.depth, made.parts.back().depth + 1);
  }
  return negated ? make(Kind::negation, list_of(std::move(made))) : made;
}

}  // namespace monza::jinja
