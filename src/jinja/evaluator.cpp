// Expressions.
#include "jinja/evaluator.h"

#include "jinja/filters.h"
#include "jinja/functions.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/predicates.h"
#include "text/unicode.h"

namespace monza::jinja {

using Kind = Expression::Kind;

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer)
    if (const auto at = scope->names.find(name); at != scope->names.end()) return &at->second;
  return nullptr;
}

Evaluator::Evaluator(const std::tm& now) : now_(now) {}

Value Evaluator::evaluate(const Expression& e, const Scope& scope) {
  const Budget::Level level(budget_);
  budget_.step();
  line_ = e.line;
  switch (e.kind) {
    case Kind::literal: return e.value;
    case Kind::name: {
      Value value = evaluate_name(e, scope);
      if (value.text() != nullptr) budget_.bytes(size_of(value));  // it was copied
      return value;
    }
    case Kind::list:
    case Kind::tuple: {
      std::vector<Value> items;
      for (const Expression& part : e.parts) items.push_back(evaluate(part, scope));
      return make_list(std::move(items), e.kind == Kind::list ? List::Kind::list : List::Kind::tuple);
    }
    case Kind::dict: return evaluate_dict(e, scope);
    case Kind::attribute: return attribute(evaluate(e.parts[0], scope), e.text);
    case Kind::item: {
      const Value subject = evaluate(e.parts[0], scope);
      return item(subject, evaluate(e.parts[1], scope));
    }
    case Kind::slice: {
      const Value subject = evaluate(e.parts[0], scope), begin = evaluate(e.parts[1], scope),
                  end = evaluate(e.parts[2], scope);
      budget_.bytes(kCharacterCost * size_of(subject));
      return slice(subject, begin, end, evaluate(e.parts[3], scope));
    }
    case Kind::call: return call(e, scope);
    case Kind::filter: {
      const Value subject = evaluate(e.parts[0], scope);
      return filtered(e.text, subject, arguments(e, scope));
    }
    case Kind::test: {
      const Value subject = evaluate(e.parts[0], scope);
      return tested(e.text, subject, arguments(e, scope));
    }
    default: return evaluate_operator(e, scope);
  }
}

Value Evaluator::evaluate_operator(const Expression& e, const Scope& scope) {
  switch (e.kind) {
    case Kind::negation: return !truth(evaluate(e.parts[0], scope));
    case Kind::minus: return negative(evaluate(e.parts[0], scope));
    case Kind::plus: return negative(negative(evaluate(e.parts[0], scope)));
    case Kind::arithmetic: {
      const Value a = evaluate(e.parts[0], scope), b = evaluate(e.parts[1], scope);
      line_ = e.line;
      return arithmetic(e.text, a, b, budget_);
    }
    case Kind::comparison: return evaluate_comparison(e, scope);
    case Kind::both:
    case Kind::either: {
      Value first = evaluate(e.parts[0], scope);
      return truth(first) == (e.kind == Kind::either) ? first : evaluate(e.parts[1], scope);
    }
    case Kind::join: return evaluate_join(e, scope);
    default: return evaluate_condition(e, scope);
  }
}

Value Evaluator::evaluate_name(const Expression& e, const Scope& scope) const {
  if (const Value* found = scope.find(e.text)) return *found;
  return Undefined{"'" + e.text + "' is undefined"};
}

Value Evaluator::evaluate_dict(const Expression& e, const Scope& scope) {
  Dict dict;
  for (std::size_t i = 0; i < e.parts.size(); i += 2) {
    Value key = evaluate(e.parts[i], scope);
    dict.set(std::move(key), evaluate(e.parts[i + 1], scope));
  }
  return make_dict(std::move(dict));
}

Value Evaluator::evaluate_join(const Expression& e, const Scope& scope) {
  std::string text;
  for (const Expression& part : e.parts) {
    const Value value = evaluate(part, scope);
    budget_.bytes(size_of(value));
    text += to_text(value);
  }
  if (static_cast<std::int64_t>(text.size()) > kMaxSize) fail("a text has more than {} bytes", kMaxSize);
  return text;
}

Value Evaluator::evaluate_condition(const Expression& e, const Scope& scope) {
  if (truth(evaluate(e.parts[0], scope))) return evaluate(e.parts[1], scope);
  if (e.parts.size() > 2) return evaluate(e.parts[2], scope);
  return Undefined{"the inline if-expression evaluated to false and no else section was defined."};
}

bool Evaluator::evaluate_comparison(const Expression& e, const Scope& scope) {
  Value left = evaluate(e.parts[0], scope);
  for (std::size_t i = 0; i < e.names.size(); ++i) {
    Value right = evaluate(e.parts[i + 1], scope);
    const std::string& op = e.names[i];
    budget_.bytes(std::min(size_of(left), size_of(right)) + (op.ends_with("in") ? size_of(right) : 0));
    const bool holds = op == "=="       ? equal(left, right)
                       : op == "!="     ? !equal(left, right)
                       : op == "in"     ? contains(right, left)
                       : op == "not in" ? !contains(right, left)
                       : op == "<"      ? compare(left, right, "<") < 0
                       : op == "<="     ? compare(left, right, "<=") <= 0
                       : op == ">"      ? compare(left, right, ">") > 0
                                        : compare(left, right, ">=") >= 0;
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Arguments Evaluator::arguments(const Expression& e, const Scope& scope) {
  Arguments made;
  const std::size_t named = e.parts.size() - e.names.size();
  for (std::size_t i = 1; i < e.parts.size(); ++i) {
    Value value = evaluate(e.parts[i], scope);
    if (i < named) made.values.push_back(std::move(value));
    else made.named.emplace_back(e.names[i - named], std::move(value));
  }
  line_ = e.line;
  return made;
}

Value Evaluator::call(const Expression& e, const Scope& scope) {
  const Value callee = evaluate(e.parts[0], scope);
  const Arguments given = arguments(e, scope);
  need_defined(callee);
  const auto* function = callee.get<std::shared_ptr<const Function>>();
  if (function == nullptr) fail("'{}' object is not callable", type_name(callee));
  return (*function)->call(given);
}

Value Evaluator::attribute(const Value& subject, const std::string& name) {
  need_defined(subject);
  if (const auto* names = subject.get<std::shared_ptr<Namespace>>()) {
    if (const auto at = (*names)->items.find(name); at != (*names)->items.end()) return at->second;
    if ((*names)->computed)
      if (Value value = (*names)->computed(name); !value.is<Undefined>()) return value;
  }
  if (auto method = find_method(subject, name, budget_)) return *method;
  if (const Dict* dict = subject.dict())
    if (const Value* found = dict->find(name)) return *found;
  return Undefined{"'" + object_name(subject) + "' has no attribute '" + name + "'"};
}

Value Evaluator::item(const Value& subject, const Value& key) {
  need_defined(subject);
  if (const Dict* dict = subject.dict())
    if (const Value* found = dict->find(key)) return *found;
  if (const std::string* name = key.text()) return attribute(subject, *name);
  if (const auto* index = key.get<std::int64_t>()) {
    if (const List* list = subject.list()) {
      const auto size = static_cast<std::int64_t>(list->items.size()), at = *index < 0 ? *index + size : *index;
      if (at >= 0 && at < size) return list->items[static_cast<std::size_t>(at)];
    } else if (subject.text() != nullptr && *index > INT64_MIN && *index < INT64_MAX) {
      budget_.bytes(kCharacterCost * size_of(subject));
      const Value end = *index == -1 ? Value(None{}) : Value(*index + 1);
      if (Value one = slice(subject, key, end, None{}); truth(one)) return one;
    }
  }
  return Undefined{"'" + object_name(subject) + "' has no element " + to_repr(key)};
}

Value Evaluator::filtered(const std::string& name, const Value& subject, const Arguments& arguments) {
  return find_filter(name)(*this, subject, arguments);
}

bool Evaluator::tested(const std::string& name, const Value& subject, const Arguments& arguments) {
  return find_predicate(name)(subject, arguments);
}

}  // namespace monza::jinja
