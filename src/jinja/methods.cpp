#include "jinja/methods.h"

#include <algorithm>
#include <array>
#include <map>

#include "jinja/arguments.h"
#include "jinja/operators.h"
#include "jinja/texts.h"
#include "text/unicode.h"

namespace monza::jinja {
namespace {

using Method = Value (*)(const Value& self, const Arguments& a, Budget& budget);
using Methods = std::map<std::string_view, Method>;

const std::string& self_text(const Value& self) { return *self.text(); }

Value list_of(std::vector<std::string> parts, Budget& budget) {
  std::vector<Value> items;
  budget.bytes(static_cast<std::int64_t>(parts.size() * sizeof(Value)));
  for (std::string& part : parts) items.emplace_back(std::move(part));
  return make_list(std::move(items));
}

template <bool kLeft, bool kRight>
Value strip(const Value& self, const Arguments& a, Budget&) {
  const Value* set = a.bind("strip", {"chars"})[0];
  const bool space = set == nullptr || set->is<None>();
  if (!space && text_argument(set, "strip").empty()) return self;
  return stripped(self_text(self), space ? "" : text_argument(set, "strip"), kLeft, kRight);
}

template <bool kFromRight>
Value split_text(const Value& self, const Arguments& a, Budget& budget) {
  const auto given = a.bind("split", {"sep", "maxsplit"});
  const bool space = given[0] == nullptr || given[0]->is<None>();
  if (!space && text_argument(given[0], "split").empty()) fail("empty separator");
  return list_of(split(self_text(self), space ? "" : text_argument(given[0], "split"),
                       integer_argument(given[1], "split", -1), kFromRight),
                 budget);
}

template <bool kEnd>
Value has_affix(const Value& self, const Arguments& a, Budget&) {
  const Value* affix = a.bind(kEnd ? "endswith" : "startswith", {"affix"})[0];
  const auto fits = [&](const Value& v) {
    const std::string& text = text_argument(&v, kEnd ? "endswith" : "startswith");
    return kEnd ? self_text(self).ends_with(text) : self_text(self).starts_with(text);
  };
  if (affix != nullptr && affix->list() != nullptr)
    return std::any_of(affix->list()->items.begin(), affix->list()->items.end(), fits);
  if (affix == nullptr) fail("{}() lacks an argument", kEnd ? "endswith" : "startswith");
  return fits(*affix);
}

Value replace(const Value& self, const Arguments& a, Budget& budget) {
  const auto given = a.bind("replace", {"old", "new", "count"});
  const std::string &from = text_argument(given[0], "replace"), &to = text_argument(given[1], "replace");
  const std::string& text = self_text(self);
  const auto times = static_cast<std::int64_t>(text.size() / std::max<std::size_t>(from.size(), 1) + 1);
  if (!to.empty() && times > kMaxSize / static_cast<std::int64_t>(to.size()))
    fail("a text has more than {} bytes", kMaxSize);
  std::string made = replaced(text, from, to, integer_argument(given[2], "replace", -1));
  budget.bytes(static_cast<std::int64_t>(made.size()));
  return made;
}

template <bool kFromRight>
Value find(const Value& self, const Arguments& a, Budget&) {
  const std::string &text = self_text(self), &wanted = text_argument(a.bind("find", {"sub"})[0], "find");
  const std::size_t at = kFromRight ? text.rfind(wanted) : text.find(wanted);
  return at == text.npos ? Value(-1) : Value(static_cast<std::int64_t>(characters(text.substr(0, at))));
}

Value count(const Value& self, const Arguments& a, Budget&) {
  const std::string& wanted = text_argument(a.bind("count", {"sub"})[0], "count");
  if (wanted.empty()) return static_cast<std::int64_t>(characters(self_text(self))) + 1;
  return static_cast<std::int64_t>(split(self_text(self), wanted, -1, false).size()) - 1;
}

Value join(const Value& self, const Arguments& a, Budget& budget) {
  const Value* given = a.bind("join", {"iterable"})[0];
  if (given == nullptr) fail("join() lacks an argument");
  std::string out;
  bool first = true;
  for (const Value& item : items_of(*given, budget)) {
    if (item.text() == nullptr) fail("join() takes texts, not '{}'", type_name(item));
    budget.bytes(size_of(item) + size_of(self));
    if (!std::exchange(first, false)) out += self_text(self);
    out += *item.text();
  }
  return out;
}

/// "{}", "{0}" and "{name}"; what would say how a value is written is not supported.
Value format(const Value& self, const Arguments& a, Budget& budget) {
  const std::string& text = self_text(self);
  std::string out;
  std::size_t next = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) out += c, ++i;
    else if (c == '}') fail("Single '}}' encountered in format string");
    else if (c != '{') out += c;
    else {
      const std::size_t end = text.find('}', i);
      if (end == text.npos) fail("expected '}}' before end of string");
      const std::string field = text.substr(i + 1, end - i - 1);
      i = end;
      const Value* value = nullptr;
      const bool digits = !field.empty() && field.size() < 4 && field.find_first_not_of("0123456789") == field.npos;
      if (field.empty() || digits) {
        const std::size_t at = digits ? static_cast<std::size_t>(std::stoul(field)) : next++;
        if (at < a.values.size()) value = &a.values[at];
      } else {
        for (const auto& [name, held] : a.named)
          if (name == field) value = &held;
      }
      if (value == nullptr) fail("format() has no value for '{{{}}}', or its form is not supported", field);
      budget.bytes(size_of(*value));
      out += to_text(*value);
    }
  }
  return out;
}

/// Whether all characters are of these categories, and there are some.
template <text::CategoryMask kMask>
Value all_are(const Value& self, const Arguments&, Budget&) {
  const std::string& text = self_text(self);
  for (std::size_t at = 0; at < text.size();) {
    const auto c = text::character_at(text, at);
    if (!text::Unicode::get().in(c.code, kMask)) return false;
    at += c.bytes;
  }
  return !text.empty();
}

template <std::string (*kChange)(std::string_view)>
Value changed(const Value& self, const Arguments&, Budget&) {
  return kChange(self_text(self));
}

template <bool kEnd>
Value remove_affix(const Value& self, const Arguments& a, Budget&) {
  const std::string &text = self_text(self),
                    &affix = text_argument(a.bind("removeprefix", {"affix"})[0], "removeprefix");
  if (kEnd ? !text.ends_with(affix) : !text.starts_with(affix)) return text;
  return kEnd ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size());
}

Value split_lines(const Value& self, const Arguments&, Budget& budget) {
  return list_of(lines(self_text(self)), budget);
}

const Methods& text_methods() {
  static const Methods all = {{"strip", strip<true, true>},
                              {"lstrip", strip<true, false>},
                              {"rstrip", strip<false, true>},
                              {"split", split_text<false>},
                              {"rsplit", split_text<true>},
                              {"splitlines", split_lines},
                              {"startswith", has_affix<false>},
                              {"endswith", has_affix<true>},
                              {"removeprefix", remove_affix<false>},
                              {"removesuffix", remove_affix<true>},
                              {"replace", replace},
                              {"find", find<false>},
                              {"rfind", find<true>},
                              {"count", count},
                              {"join", join},
                              {"format", format},
                              {"upper", changed<upper>},
                              {"lower", changed<lower>},
                              {"title", changed<titled>},
                              {"capitalize", changed<capitalized>},
                              {"isdigit", all_are<1u << text::Nd>},
                              {"isalpha", all_are<text::kLetters>},
                              {"isalnum", all_are < text::kLetters | text::kNumbers > },
                              {"isspace", all_are<text::kWhiteSpace>}};
  return all;
}

enum class Part : std::uint8_t { keys, values, items };
template <Part kPart>
Value parts_of(const Value& self, const Arguments& a, Budget& budget) {
  a.bind("items", {});
  budget.bytes(size_of(self));
  std::vector<Value> parts;
  for (const auto& [key, value] : self.dict()->items) {
    if constexpr (kPart == Part::keys) parts.push_back(key);
    else if constexpr (kPart == Part::values) parts.push_back(value);
    else parts.push_back(make_list({key, value}, List::Kind::tuple));
  }
  return make_list(std::move(parts));
}

Value get(const Value& self, const Arguments& a, Budget&) {
  const auto given = a.bind("get", {"key", "default"});
  if (given[0] == nullptr) fail("get() lacks an argument");
  const Value* found = self.dict()->find(*given[0]);
  return found != nullptr ? *found : given[1] != nullptr ? *given[1] : Value(None{});
}

Value same(const Value& self, const Arguments&, Budget&) { return self; }

Value index_of(const Value& self, const Arguments& a, Budget& budget) {
  const Value* wanted = a.bind("index", {"value"})[0];
  budget.bytes(size_of(self));
  const auto& items = self.list()->items;
  for (std::size_t i = 0; wanted != nullptr && i < items.size(); ++i)
    if (equal(items[i], *wanted)) return static_cast<std::int64_t>(i);
  fail("index(): the value is not in the list");
}

Value count_in(const Value& self, const Arguments& a, Budget& budget) {
  const Value* wanted = a.bind("count", {"value"})[0];
  if (wanted == nullptr) fail("count() lacks an argument");
  budget.bytes(size_of(self));
  const auto& items = self.list()->items;
  return static_cast<std::int64_t>(
      std::count_if(items.begin(), items.end(), [&](const Value& v) { return equal(v, *wanted); }));
}

const Methods& dict_methods() {
  static const Methods all = {{"keys", parts_of<Part::keys>},
                              {"values", parts_of<Part::values>},
                              {"items", parts_of<Part::items>},
                              {"get", get},
                              {"copy", same}};
  return all;
}
const Methods& list_methods() {
  static const Methods all = {{"index", index_of}, {"count", count_in}, {"copy", same}};
  return all;
}

/// Those that would change what they belong to, which templates may not (Jinja's ImmutableSandboxedEnvironment).
bool changes(const Value& subject, std::string_view name) {
  constexpr std::array<std::string_view, 7> kOfLists = {"append",  "extend", "insert", "pop",
                                                        "reverse", "sort",   "remove"};
  constexpr std::array<std::string_view, 5> kOfDicts = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto among = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (subject.dict() != nullptr) return among(kOfDicts);
  return subject.list() != nullptr && (among(kOfLists) || name == "clear");
}

}  // namespace

std::optional<Value> find_method(const Value& subject, const std::string& name, Budget& budget) {
  const Methods* methods = subject.text() != nullptr   ? &text_methods()
                           : subject.dict() != nullptr ? &dict_methods()
                           : subject.list() != nullptr ? &list_methods()
                                                       : nullptr;
  if (methods == nullptr) return std::nullopt;
  if (const auto at = methods->find(name); at != methods->end())
    return make_function(name, [subject, method = at->second, &budget](const Arguments& a) {
      if (subject.text() != nullptr) budget.bytes(size_of(subject));
      return method(subject, a, budget);
    });
  if (!changes(subject, name)) return std::nullopt;
  return Undefined{"access to attribute '" + name + "' of '" + type_name(subject) + "' object is unsafe."};
}

}  // namespace monza::jinja
