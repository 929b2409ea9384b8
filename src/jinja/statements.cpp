// Statements.
#include <algorithm>

#include "jinja/evaluator.h"
#include "jinja/functions.h"
#include "jinja/operators.h"

namespace monza::jinja {

std::string Evaluator::render(const Body& body, const Dict& variables) {
  Scope& given = scopes_.emplace_back();
  add_functions(given.names, now_, budget_);
  for (const auto& [name, value] : variables.items) given.names.insert_or_assign(to_text(name), value);
  std::string out;
  (void)run(body, scope_in(given), out);
  return out;
}

Scope& Evaluator::scope_in(const Scope& outer) {
  budget_.bytes(sizeof(Scope));
  Scope& made = scopes_.emplace_back();
  made.outer = &outer;
  return made;
}

void Evaluator::leave(const Scope& scope) {
  if (!scope.kept && &scopes_.back() == &scope) scopes_.pop_back();
}

void Evaluator::write(std::string& out, std::string_view text) {
  budget_.bytes(static_cast<std::int64_t>(text.size()));
  out += text;
}

Evaluator::Flow Evaluator::run(const Body& body, Scope& scope, std::string& out) {
  const Budget::Level level(budget_);
  for (const Statement& s : body)
    if (const Flow flow = run_one(s, scope, out); flow != Flow::next) return flow;
  return Flow::next;
}

Evaluator::Flow Evaluator::run_one(const Statement& s, Scope& scope, std::string& out) {
  budget_.step();
  line_ = s.line;
  switch (s.kind) {
    case Statement::Kind::data: write(out, s.text); break;
    case Statement::Kind::output: {
      const Value value = evaluate(s.expressions[0], scope);
      budget_.bytes(size_of(value));
      write(out, to_text(value));
      break;
    }
    case Statement::Kind::condition: return run_condition(s, scope, out);
    case Statement::Kind::loop: run_loop(s, scope, out); break;
    case Statement::Kind::set: run_set(s, scope); break;
    case Statement::Kind::set_body: assign(s, scope, body_text(s, scope)); break;
    case Statement::Kind::macro: define_macro(s, scope); break;
    case Statement::Kind::filter_body: write(out, to_text(body_text(s, scope))); break;
    case Statement::Kind::stop: return Flow::stop;
    case Statement::Kind::go_on: return Flow::go_on;
  }
  return Flow::next;
}

Evaluator::Flow Evaluator::run_condition(const Statement& s, Scope& scope, std::string& out) {
  std::size_t i = 0;
  while (i < s.expressions.size() && !truth(evaluate(s.expressions[i], scope))) ++i;
  return i < s.bodies.size() ? run(s.bodies[i], scope, out) : Flow::next;
}

namespace {

/// Gives the names of a loop or a `set` their values.
void unpack(const std::vector<std::string>& names, const Value& value, Scope& scope, Budget& budget) {
  if (names.size() == 1) {
    scope.names.insert_or_assign(names[0], value);
    return;
  }
  need_defined(value);
  std::vector<Value> items = items_of(value, budget);
  if (items.size() != names.size()) fail("{} values are unpacked to {} names", items.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) scope.names.insert_or_assign(names[i], std::move(items[i]));
}

/// What a loop goes through, and how far it is.
struct Turns {
  std::vector<Value> items;
  std::size_t now = 0;
};

/// loop.name.
Value loop_attribute(const std::shared_ptr<const Turns>& turns, const std::string& name) {
  const std::size_t i = turns->now;
  const auto at = static_cast<std::int64_t>(i), count = static_cast<std::int64_t>(turns->items.size());
  if (name == "index") return at + 1;
  if (name == "index0") return at;
  if (name == "revindex") return count - at;
  if (name == "revindex0") return count - at - 1;
  if (name == "first") return i == 0;
  if (name == "last") return at + 1 == count;
  if (name == "length") return count;
  if (name == "previtem" && i > 0) return turns->items[i - 1];
  if (name == "nextitem" && at + 1 < count) return turns->items[i + 1];
  if (name == "cycle")
    return make_function(name, [turns](const Arguments& given) -> Value {
      if (given.values.empty()) fail("no items for cycling given");
      return given.values[turns->now % given.values.size()];
    });
  return Undefined{};
}

}  // namespace

void Evaluator::run_loop(const Statement& s, const Scope& scope, std::string& out) {
  const auto turns = std::make_shared<Turns>(Turns{items_of(evaluate(s.expressions[0], scope), budget_), 0});
  Scope& inner = scope_in(scope);
  if (s.expressions.size() > 1) {
    std::vector<Value> kept;
    for (Value& item : turns->items) {
      inner.names.clear();
      unpack(s.names, item, inner, budget_);
      if (truth(evaluate(s.expressions[1], inner))) kept.push_back(std::move(item));
    }
    turns->items = std::move(kept);
  }
  const auto loop = std::make_shared<Namespace>(Namespace{"LoopContext", {}});
  loop->computed = [turns](const std::string& name) { return loop_attribute(turns, name); };
  for (; turns->now < turns->items.size(); ++turns->now) {
    budget_.step();
    inner.names.clear();
    inner.names.emplace("loop", loop);
    unpack(s.names, turns->items[turns->now], inner, budget_);
    if (run(s.bodies[0], inner, out) == Flow::stop) break;
  }
  if (turns->items.empty() && s.bodies.size() > 1) (void)run(s.bodies[1], inner, out);
  leave(inner);
}

void Evaluator::run_set(const Statement& s, Scope& scope) { assign(s, scope, evaluate(s.expressions[0], scope)); }

void Evaluator::assign(const Statement& s, Scope& scope, Value value) {
  if (s.text.empty()) return unpack(s.names, value, scope, budget_);
  const Value* target = scope.find(s.names[0]);
  if (target == nullptr) fail("'{}' is undefined", s.names[0]);
  const auto* names = target->get<std::shared_ptr<Namespace>>();
  if (names == nullptr) fail("cannot assign attribute on non-namespace object");
  if (value.is<std::shared_ptr<Namespace>>()) fail("a namespace inside a namespace is not supported");
  (*names)->items.insert_or_assign(s.text, std::move(value));
}

Value Evaluator::body_text(const Statement& s, const Scope& scope) {
  std::string text;
  Scope& inner = scope_in(scope);
  (void)run(s.bodies[0], inner, text);
  Value made = text;
  if (!s.expressions.empty()) {
    inner.names.insert_or_assign(kBodyName, std::move(text));
    made = evaluate(s.expressions[0], inner);
  }
  leave(inner);
  return made;
}

void Evaluator::define_macro(const Statement& s, Scope& scope) {
  scope.kept = true;
  scope.names.insert_or_assign(s.text, make_function(s.text, [this, &s, &scope](const Arguments& given) -> Value {
                                 const int line = line_;
                                 std::string text = run_macro(s, scope, given);
                                 line_ = line;
                                 return text;
                               }));
}

std::string Evaluator::run_macro(const Statement& s, const Scope& scope, const Arguments& given) {
  Scope& inner = scope_in(scope);
  const std::size_t required = s.names.size() - s.expressions.size();
  if (given.values.size() > s.names.size())
    fail("macro '{}' takes not more than {} argument(s)", s.text, s.names.size());
  for (std::size_t i = 0; i < given.values.size(); ++i) inner.names.insert_or_assign(s.names[i], given.values[i]);
  for (const auto& [name, value] : given.named) {
    if (std::find(s.names.begin(), s.names.end(), name) == s.names.end())
      fail("macro '{}' takes no keyword argument '{}'", s.text, name);
    if (!inner.names.emplace(name, value).second) fail("macro '{}' is given '{}' twice", s.text, name);
  }
  for (std::size_t i = 0; i < s.names.size(); ++i) {
    if (inner.names.contains(s.names[i])) continue;
    Value value = Undefined{"parameter '" + s.names[i] + "' was not provided"};
    if (i >= required) value = evaluate(s.expressions[i - required], inner);
    inner.names.emplace(s.names[i], std::move(value));
  }
  std::string out;
  (void)run(s.bodies[0], inner, out);
  leave(inner);
  return out;
}

}  // namespace monza::jinja
