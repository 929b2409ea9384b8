#include "jinja/predicates.h"

#include <map>

#include "jinja/operators.h"

namespace monza::jinja {
namespace {

const Value& other(const Arguments& a) {
  const Value* value = a.bind("a test", {"other"})[0];
  if (value == nullptr) fail("a test that compares lacks what it compares with");
  return *value;
}
template <typename T>
bool holds(const Value& v, const Arguments&) {
  return v.is<T>();
}
bool is_number(const Value& v, const Arguments&) {
  return v.is<bool>() || v.is<std::int64_t>() || v.is<double>();  // Python's truth values are integers
}
bool is_sequence(const Value& v, const Arguments&) {
  return v.is<Undefined>() || v.text() != nullptr || v.dict() != nullptr ||
         (v.list() != nullptr && v.list()->kind != List::Kind::generator);
}
bool is_iterable(const Value& v, const Arguments&) {
  return v.is<Undefined>() || v.text() != nullptr || v.dict() != nullptr || v.list() != nullptr;
}
bool is_flag(const Value& v, bool wanted) { return v.is<bool>() && *v.get<bool>() == wanted; }
std::int64_t rest(const Value& v, std::int64_t by) {
  if (by == 0) fail("division by zero");
  return by == -1 ? 0 : integer_argument(&v, "a test", 0) % by;
}
bool in_case(const Value& v, bool upper) {
  const std::string text = to_text(v);
  bool letters = false;
  for (const char c : text) {
    const bool low = c >= 'a' && c <= 'z', high = c >= 'A' && c <= 'Z';
    if (upper ? low : high) return false;
    letters = letters || low || high;
  }
  return letters;
}

const std::map<std::string_view, Predicate>& predicates() {
  static const std::map<std::string_view, Predicate> all = {
      {"defined", [](const Value& v, const Arguments&) { return !v.is<Undefined>(); }},
      {"undefined", holds<Undefined>},
      {"none", holds<None>},
      {"boolean", holds<bool>},
      {"true", [](const Value& v, const Arguments&) { return is_flag(v, true); }},
      {"false", [](const Value& v, const Arguments&) { return is_flag(v, false); }},
      {"integer", holds<std::int64_t>},
      {"float", holds<double>},
      {"number", is_number},
      {"string", [](const Value& v, const Arguments&) { return v.text() != nullptr; }},
      {"mapping", holds<std::shared_ptr<const Dict>>},
      {"sequence", is_sequence},
      {"iterable", is_iterable},
      {"callable", holds<std::shared_ptr<const Function>>},
      {"odd", [](const Value& v, const Arguments&) { return rest(v, 2) != 0; }},
      {"even", [](const Value& v, const Arguments&) { return rest(v, 2) == 0; }},
      {"divisibleby",
       [](const Value& v, const Arguments& a) { return rest(v, integer_argument(&other(a), "divisibleby", 0)) == 0; }},
      {"lower", [](const Value& v, const Arguments&) { return in_case(v, false); }},
      {"upper", [](const Value& v, const Arguments&) { return in_case(v, true); }},
      {"in", [](const Value& v, const Arguments& a) { return contains(other(a), v); }},
      {"sameas",
       [](const Value& v, const Arguments& a) { return v.index() == other(a).index() && equal(v, other(a)); }},
      {"eq", [](const Value& v, const Arguments& a) { return equal(v, other(a)); }},
      {"equalto", [](const Value& v, const Arguments& a) { return equal(v, other(a)); }},
      {"==", [](const Value& v, const Arguments& a) { return equal(v, other(a)); }},
      {"ne", [](const Value& v, const Arguments& a) { return !equal(v, other(a)); }},
      {"!=", [](const Value& v, const Arguments& a) { return !equal(v, other(a)); }},
      {"lt", [](const Value& v, const Arguments& a) { return compare(v, other(a), "<") < 0; }},
      {"lessthan", [](const Value& v, const Arguments& a) { return compare(v, other(a), "<") < 0; }},
      {"le", [](const Value& v, const Arguments& a) { return compare(v, other(a), "<=") <= 0; }},
      {"gt", [](const Value& v, const Arguments& a) { return compare(v, other(a), ">") > 0; }},
      {"greaterthan", [](const Value& v, const Arguments& a) { return compare(v, other(a), ">") > 0; }},
      {"ge", [](const Value& v, const Arguments& a) { return compare(v, other(a), ">=") >= 0; }}};
  return all;
}

}  // namespace

Predicate find_predicate(std::string_view name) {
  const auto at = predicates().find(name);
  if (at == predicates().end()) fail("there is no test '{}'", name);
  return at->second;
}

}  // namespace monza::jinja
