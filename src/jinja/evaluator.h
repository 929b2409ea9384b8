// Runs a template that was parsed.
#pragma once

#include <ctime>
#include <deque>
#include <map>
#include <string>

#include "jinja/arguments.h"
#include "jinja/ast.h"
#include "jinja/budget.h"

namespace monza::jinja {

/// Names of a stretch of a template, and those around it.
struct Scope {
  const Scope* outer = nullptr;
  std::map<std::string, Value, std::less<>> names;
  bool kept = false;  ///< a macro was defined in it, and may be called when all else is done with it
  const Value* find(std::string_view name) const;
};

/// One rendering. Not thread-safe. All of it throws Error for what the template does wrong, or too much of.
class Evaluator {
 public:
  /// `now`: what strftime_now() tells.
  explicit Evaluator(const std::tm& now);

  std::string render(const Body& body, const Dict& variables);

  int line() const { return line_; }
  Budget& budget() { return budget_; }
  /// A filter or test by its name, for filters that are given one.
  Value filtered(const std::string& name, const Value& subject, const Arguments& arguments);
  bool tested(const std::string& name, const Value& subject, const Arguments& arguments);
  /// subject.name and subject[key], undefined where there is none.
  Value attribute(const Value& subject, const std::string& name);
  Value item(const Value& subject, const Value& key);

 private:
  enum class Flow : std::uint8_t { next, stop, go_on };

  Value evaluate(const Expression& e, const Scope& scope);
  Value evaluate_operator(const Expression& e, const Scope& scope);
  Value evaluate_name(const Expression& e, const Scope& scope) const;
  Value evaluate_dict(const Expression& e, const Scope& scope);
  Value evaluate_join(const Expression& e, const Scope& scope);
  Value evaluate_condition(const Expression& e, const Scope& scope);
  bool evaluate_comparison(const Expression& e, const Scope& scope);
  Value call(const Expression& e, const Scope& scope);
  Arguments arguments(const Expression& e, const Scope& scope);

  Flow run(const Body& body, Scope& scope, std::string& out);
  Flow run_one(const Statement& s, Scope& scope, std::string& out);
  Flow run_condition(const Statement& s, Scope& scope, std::string& out);
  void run_loop(const Statement& s, const Scope& scope, std::string& out);
  void run_set(const Statement& s, Scope& scope);
  void assign(const Statement& s, Scope& scope, Value value);
  void define_macro(const Statement& s, Scope& scope);
  std::string run_macro(const Statement& s, const Scope& scope, const Arguments& given);
  /// What a body writes, through the filters behind it, if any.
  Value body_text(const Statement& s, const Scope& scope);
  void write(std::string& out, std::string_view text);
  Scope& scope_in(const Scope& outer);
  void leave(const Scope& scope);

  std::deque<Scope> scopes_;  ///< the innermost last, and those that are kept
  Budget budget_;
  const std::tm now_;
  int line_ = 0;
};

}  // namespace monza::jinja
