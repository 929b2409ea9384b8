// Expressions of a template.
#pragma once

#include "jinja/ast.h"
#include "jinja/word_reader.h"

namespace monza::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(WordReader& words) : words_(words) {}

  /// An expression; `with_condition`: one that may have "if" behind it.
  Expression expression(bool with_condition = true);
  /// The same, or several with commas between them: a tuple.
  Expression tuple(bool with_condition = true);
  /// "| name(...)" and "is name ..." behind `subject`, as many as there are.
  Expression filters(Expression subject);
  /// A filter's name and arguments, of `subject`.
  Expression filter(Expression subject);

 private:
  Expression either();
  Expression both();
  Expression negation();
  Expression comparison();
  Expression sum();
  Expression join();
  Expression product();
  Expression power();
  Expression unary(bool with_filters = true);
  Expression primary();
  Expression postfix(Expression subject);
  Expression subscript(Expression subject);
  Expression test(Expression subject);
  Expression brackets();
  Expression dict();
  void arguments(Expression& call);
  Expression make(Expression::Kind kind, std::vector<Expression> parts = {}, std::string text = {}) const;

  WordReader& words_;
  int depth_ = 0;
};

}  // namespace monza::jinja
