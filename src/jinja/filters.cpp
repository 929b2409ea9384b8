#include "jinja/filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "jinja/evaluator.h"
#include "jinja/json.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/texts.h"

namespace monza::jinja {
namespace {

using Items = std::vector<Value>;

bool flag(const Value* value, bool otherwise) { return value == nullptr ? otherwise : truth(*value); }

/// The value itself, or its attribute: a name, an index, or several with points between them.
Value reached(Evaluator& e, const Value& subject, const Value* attribute) {
  if (attribute == nullptr || attribute->is<None>()) return subject;
  if (attribute->text() == nullptr) return e.item(subject, *attribute);
  Value at = subject;
  for (const std::string& name : split(*attribute->text(), ".", -1, false)) {
    const bool index = !name.empty() && name.size() < 10 && name.find_first_not_of("0123456789") == name.npos;
    at = e.item(at, index ? Value(std::int64_t{std::stoi(name)}) : Value(name));
  }
  return at;
}

Value by_default(Evaluator&, const Value& v, const Arguments& a) {
  const auto given = a.bind("default", {"default_value", "boolean"});
  if (!v.is<Undefined>() && !(flag(given[1], false) && !truth(v))) return v;
  return given[0] == nullptr ? Value("") : *given[0];
}

Value to_json(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = flag(given[0], false);
  style.indent = static_cast<int>(std::clamp<std::int64_t>(integer_argument(given[1], "tojson", -1), -1, 16));
  style.sorted = flag(given[3], false);
  if (const Value* marks = given[2]; marks != nullptr && !marks->is<None>()) {
    const List* list = marks->list();
    if (list == nullptr || list->items.size() != 2) fail("tojson() takes two separators");
    style.item_mark = text_argument(&list->items[0], "tojson"),
    style.key_mark = text_argument(&list->items[1], "tojson");
  } else if (style.indent >= 0) {
    style.item_mark = ",";
  }
  std::string text = write_json(v, style);
  e.budget().bytes(static_cast<std::int64_t>(text.size()));
  return text;
}

Value length(Evaluator&, const Value& v, const Arguments&) {
  if (v.is<Undefined>()) return 0;
  if (const std::string* text = v.text()) return static_cast<std::int64_t>(characters(*text));
  if (const Dict* dict = v.dict()) return static_cast<std::int64_t>(dict->items.size());
  if (v.list() == nullptr || v.list()->kind == List::Kind::generator)
    fail("object of type '{}' has no len()", type_name(v));
  return static_cast<std::int64_t>(v.list()->items.size());
}

Value trim(Evaluator&, const Value& v, const Arguments& a) {
  const Value* set = a.bind("trim", {"chars"})[0];
  return stripped(to_text(v), set == nullptr || set->is<None>() ? "" : text_argument(set, "trim"), true, true);
}

template <std::string (*kChange)(std::string_view)>
Value changed(Evaluator&, const Value& v, const Arguments&) {
  return kChange(to_text(v));
}
Value as_text(Evaluator&, const Value& v, const Arguments&) { return v.is<Markup>() ? v : Value(to_text(v)); }
Value safe(Evaluator&, const Value& v, const Arguments&) { return Markup{to_text(v)}; }

/// The method of the same name, of the value's text.
template <const char* kName>
Value by_method(Evaluator& e, const Value& v, const Arguments& a) {
  const auto method = find_method(to_text(v), kName, e.budget());
  return (*method->get<std::shared_ptr<const Function>>())->call(a);
}
constexpr char kReplace[] = "replace", kSplit[] = "split";

Value join(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("join", {"d", "attribute"});
  const std::string mark = given[0] == nullptr ? "" : to_text(*given[0]);
  std::string out;
  bool first = true;
  for (const Value& item : items_of(v, e.budget())) {
    if (!std::exchange(first, false)) out += mark;
    const std::string text = to_text(reached(e, item, given[1]));
    e.budget().bytes(static_cast<std::int64_t>(text.size() + mark.size()));
    out += text;
  }
  return out;
}

/// Lines behind the first get `width` spaces, or a text, in front of them.
Value indent(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("indent", {"width", "first", "blank"});
  const std::string space =
      given[0] != nullptr && given[0]->text() != nullptr
          ? *given[0]->text()
          : std::string(
                static_cast<std::size_t>(std::clamp<std::int64_t>(integer_argument(given[0], "indent", 4), 0, 1000)),
                ' ');
  const bool blank = flag(given[2], false);
  std::string out = flag(given[1], false) ? space : "";
  const std::vector<std::string> all = split(to_text(v), "\n", -1, false);
  for (std::size_t i = 0; i < all.size(); ++i) {
    e.budget().bytes(static_cast<std::int64_t>(all[i].size() + space.size()));
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !all[i].empty())) out += space;
    out += all[i];
  }
  return out;
}

Value list_of(Evaluator& e, const Value& v, const Arguments&) { return make_list(items_of(v, e.budget())); }

Value items(Evaluator& e, const Value& v, const Arguments& a) {
  if (v.is<Undefined>()) return make_list({});
  if (v.dict() == nullptr) fail("Can only get item pairs from a mapping.");
  return (*e.attribute(v, "items").get<std::shared_ptr<const Function>>())->call(a);
}

/// What `sort` goes by: texts without regard to case, unless it is asked for.
Value sort_key(const Value& v, bool cased) { return !cased && v.text() != nullptr ? Value(lower(*v.text())) : v; }

void sort_by(Evaluator& e, Items& all, const std::vector<Value>& keys, bool reverse) {
  std::vector<std::size_t> order(all.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) {
    e.budget().step();
    e.budget().bytes(std::min(size_of(keys[x]), size_of(keys[y])));
    return reverse ? compare(keys[y], keys[x], "<") < 0 : compare(keys[x], keys[y], "<") < 0;
  });
  Items sorted;
  for (const std::size_t i : order) sorted.push_back(all[i]);
  all = std::move(sorted);
}

Value sort(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("sort", {"reverse", "case_sensitive", "attribute"});
  Items all = items_of(v, e.budget()), keys;
  for (const Value& item : all) keys.push_back(sort_key(reached(e, item, given[2]), flag(given[1], false)));
  sort_by(e, all, keys, flag(given[0], false));
  return make_list(std::move(all));
}

Value dictsort(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("dictsort", {"case_sensitive", "by", "reverse"});
  const bool by_value = given[1] != nullptr && text_argument(given[1], "dictsort") == "value";
  if (v.dict() == nullptr) fail("dictsort() takes a dictionary, not '{}'", type_name(v));
  Items all = items_of(items(e, v, {}), e.budget()), keys;
  for (const Value& pair : all) keys.push_back(sort_key(pair.list()->items[by_value ? 1 : 0], flag(given[0], false)));
  sort_by(e, all, keys, flag(given[2], false));
  return make_list(std::move(all));
}

Value unique(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("unique", {"case_sensitive", "attribute"});
  Items kept, keys;
  for (const Value& item : items_of(v, e.budget())) {
    Value key = sort_key(reached(e, item, given[1]), flag(given[0], false));
    const auto same = [&](const Value& k) { return e.budget().step(), equal(k, key); };
    if (std::any_of(keys.begin(), keys.end(), same)) continue;
    kept.push_back(item);
    keys.push_back(std::move(key));
  }
  return make_list(std::move(kept), List::Kind::generator);
}

/// The arguments from `from` on.
Arguments later(const Arguments& a, std::size_t from) {
  Arguments rest{{}, a.named};
  for (std::size_t i = from; i < a.values.size(); ++i) rest.values.push_back(a.values[i]);
  return rest;
}

/// What map and select go through: nothing where the value is false, whatever it is.
Items some_items(Evaluator& e, const Value& v) { return truth(v) ? items_of(v, e.budget()) : Items(); }

Value map(Evaluator& e, const Value& v, const Arguments& a) {
  Items made;
  const Items all = some_items(e, v);
  if (a.values.empty()) {
    const auto given = a.bind("map", {"attribute", "default"});
    if (given[0] == nullptr) fail("map requires a filter argument");
    for (const Value& item : all) {
      made.push_back(reached(e, item, given[0]));
      if (given[1] != nullptr && made.back().is<Undefined>()) made.back() = *given[1];
    }
  } else {
    const std::string& name = text_argument(&a.values[0], "map");
    for (const Value& item : all) made.push_back(e.filtered(name, item, later(a, 1)));
  }
  return make_list(std::move(made), List::Kind::generator);
}

/// select, reject, selectattr and rejectattr.
template <bool kAttribute, bool kWanted>
Value select(Evaluator& e, const Value& v, const Arguments& a) {
  const std::size_t at = kAttribute ? 1 : 0;
  if (a.values.size() < at) fail("Missing parameter for attribute name");
  Items kept;
  for (const Value& item : some_items(e, v)) {
    e.budget().step();
    const Value value = kAttribute ? reached(e, item, &a.values[0]) : item;
    const bool holds =
        a.values.size() > at ? e.tested(text_argument(&a.values[at], "select"), value, later(a, at + 1)) : truth(value);
    if (holds == kWanted) kept.push_back(item);
  }
  return make_list(std::move(kept), List::Kind::generator);
}

template <bool kFirst>
Value end_of(Evaluator& e, const Value& v, const Arguments&) {
  const Items all = items_of(v, e.budget());
  if (all.empty()) return Undefined{"there is no item in an empty sequence"};
  return kFirst ? all.front() : all.back();
}

template <bool kLeast>
Value extreme(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind(kLeast ? "min" : "max", {"case_sensitive", "attribute"});
  const Items all = items_of(v, e.budget());
  if (all.empty()) return Undefined{"there is no item in an empty sequence"};
  const auto key = [&](const Value& item) { return sort_key(reached(e, item, given[1]), flag(given[0], false)); };
  const Value* best = &all[0];
  for (const Value& item : all)
    if (kLeast ? compare(key(item), key(*best), "<") < 0 : compare(key(item), key(*best), ">") > 0) best = &item;
  return *best;
}

Value sum(Evaluator& e, const Value& v, const Arguments& a) {
  const auto given = a.bind("sum", {"attribute", "start"});
  Value total = given[1] == nullptr ? Value(0) : *given[1];
  for (const Value& item : items_of(v, e.budget()))
    total = arithmetic("+", total, reached(e, item, given[0]), e.budget());
  return total;
}

Value reverse(Evaluator& e, const Value& v, const Arguments&) {
  if (v.text() != nullptr) return slice(v, None{}, None{}, -1);
  Items all = items_of(v, e.budget());
  std::reverse(all.begin(), all.end());
  return make_list(std::move(all), List::Kind::generator);
}

/// The number that a text begins to be, as Python's int() and float() read it.
template <typename Number>
std::optional<Number> number_in(const Value& v) {
  const std::string text = stripped(to_text(v), "", true, true);
  Number number{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto read = std::from_chars(begin, text.data() + text.size(), number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

Value to_integer(Evaluator&, const Value& v, const Arguments& a) {
  const Value* otherwise = a.bind("int", {"default"})[0];
  if (v.is<std::int64_t>() || v.is<bool>()) return integer_argument(&v, "int", 0);
  const auto* given = v.get<double>();
  const auto real = given != nullptr      ? std::optional(*given)
                    : v.text() != nullptr ? number_in<double>(v)
                                          : std::nullopt;
  if (const auto whole = v.text() != nullptr ? number_in<std::int64_t>(v) : std::nullopt) return *whole;
  if (real && std::fabs(*real) < 0x1p62) return static_cast<std::int64_t>(*real);
  return otherwise == nullptr ? Value(0) : *otherwise;
}

Value to_real(Evaluator&, const Value& v, const Arguments& a) {
  const Value* otherwise = a.bind("float", {"default"})[0];
  if (v.is<double>()) return v;
  if (v.is<std::int64_t>() || v.is<bool>()) return static_cast<double>(integer_argument(&v, "float", 0));
  if (const auto real = v.text() != nullptr ? number_in<double>(v) : std::nullopt) return *real;
  return otherwise == nullptr ? Value(0.0) : *otherwise;
}

Value magnitude(Evaluator&, const Value& v, const Arguments&) { return compare(v, 0, "<") < 0 ? negative(v) : v; }

Value round(Evaluator&, const Value& v, const Arguments& a) {
  const auto given = a.bind("round", {"precision", "method"});
  const std::string method = given[1] == nullptr ? "common" : text_argument(given[1], "round");
  const double scale = std::pow(10.0, static_cast<double>(integer_argument(given[0], "round", 0)));
  if (!v.is<double>() && !v.is<std::int64_t>()) fail("round() takes a number, not '{}'", type_name(v));
  const double x = scale * (v.is<double>() ? *v.get<double>() : static_cast<double>(*v.get<std::int64_t>()));
  if (method == "ceil") return std::ceil(x) / scale;
  if (method == "floor") return std::floor(x) / scale;
  return std::nearbyint(x) / scale;
}

Value escape(Evaluator&, const Value& v, const Arguments&) {
  return Markup{v.is<Markup>() ? to_text(v) : html_escaped(to_text(v))};
}

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> all = {{"default", by_default},
                                                         {"d", by_default},
                                                         {"tojson", to_json},
                                                         {"length", length},
                                                         {"count", length},
                                                         {"trim", trim},
                                                         {"string", as_text},
                                                         {"safe", safe},
                                                         {"escape", escape},
                                                         {"e", escape},
                                                         {"upper", changed<upper>},
                                                         {"lower", changed<lower>},
                                                         {"title", changed<titled>},
                                                         {"capitalize", changed<capitalized>},
                                                         {"replace", by_method<kReplace>},
                                                         {"split", by_method<kSplit>},
                                                         {"join", join},
                                                         {"indent", indent},
                                                         {"list", list_of},
                                                         {"items", items},
                                                         {"sort", sort},
                                                         {"dictsort", dictsort},
                                                         {"unique", unique},
                                                         {"map", map},
                                                         {"select", select<false, true>},
                                                         {"reject", select<false, false>},
                                                         {"selectattr", select<true, true>},
                                                         {"rejectattr", select<true, false>},
                                                         {"first", end_of<true>},
                                                         {"last", end_of<false>},
                                                         {"min", extreme<true>},
                                                         {"max", extreme<false>},
                                                         {"sum", sum},
                                                         {"reverse", reverse},
                                                         {"int", to_integer},
                                                         {"float", to_real},
                                                         {"abs", magnitude},
                                                         {"round", round}};
  return all;
}

}  // namespace

Filter find_filter(std::string_view name) {
  const auto at = filters().find(name);
  if (at == filters().end()) fail("there is no filter '{}'", name);
  return at->second;
}

}  // namespace monza::jinja
