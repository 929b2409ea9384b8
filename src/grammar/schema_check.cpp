#include "grammar/schema_check.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/formats.h"
#include "grammar/regex.h"

namespace monza::grammar {
namespace {

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// Whether `size` is within schema[min] and schema[max].
bool within(const SchemaDocument& document, const Json& schema, const char* min, const char* max, std::size_t size) {
  const auto least = count_of(document, schema, min), most = count_of(document, schema, max);
  return (!least || size >= *least) && (!most || size <= *most);
}

/// The rest of a / b, exactly, is 0.
bool is_multiple(const Decimal& a, const Decimal& b) {
  const int places = std::max(a.fraction(), b.fraction());
  const auto units = [&](const Decimal& d, std::uint64_t modulus) {
    std::uint64_t value = 0;
    for (int p = std::max(d.point, 1); p > -places; --p) {
      if (modulus == 0 && value > 100'000'000'000'000'000) fail("a multiple of too many digits");
      value = value * 10 + static_cast<std::uint64_t>(d.digit(p));
      if (modulus > 0) value %= modulus;
    }
    return value;
  };
  const std::uint64_t of = units(b, 0);
  return of != 0 && units(a, of) == 0;
}

}  // namespace

bool SchemaCheck::holds(const Json& schema, const Json& value) {
  budget_.work(16);
  if (schema.is_boolean()) return schema.get<bool>();
  if (keyword(schema, "$at") != nullptr) return holds(document_.mentioned(schema), value);
  if (++depth_ > budget_.limits().depth) document_.refuse(schema, "$ref", "schemas hold each other without end");
  bool ok = true;
  if (keyword(schema, "$ref") != nullptr) {
    ok = holds(document_.target(schema), value);
    if (document_.ref_stands_alone()) return --depth_, ok;
  }
  for (const char* name : {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"})
    if (keyword(schema, name) != nullptr) document_.refuse(schema, name, "this keyword is not supported");
  const std::uint32_t type = type_of_value(value);
  ok = ok && (types_of(document_, schema) & type) != 0;
  if (const Json* one = keyword(schema, "const")) ok = ok && *one == value;
  if (const Json* of = array_of(document_, schema, "enum"))
    ok = ok && std::find(of->begin(), of->end(), value) != of->end();
  if (ok && value.is_number()) ok = number(schema, value);
  if (ok && value.is_string()) ok = string(schema, value.get<std::string>());
  if (ok && value.is_array()) ok = array(schema, value);
  if (ok && value.is_object()) ok = object(schema, value);
  ok = ok && applied(schema, value);
  --depth_;
  return ok;
}

bool SchemaCheck::number(const Json& schema, const Json& value) const {
  const Decimal d = decimal_of(value);
  for (const bool least : {true, false})
    for (const NumberRange::Bound& b : bounds_of(document_, schema, least)) {
      const int order = least ? compare(d, b.value) : compare(b.value, d);
      if (order < 0 || (order == 0 && b.exclusive)) return false;
    }
  const Json* multiple = keyword(schema, "multipleOf");
  return multiple == nullptr || !multiple->is_number() || is_multiple(d, decimal_of(*multiple));
}

bool SchemaCheck::finds(const std::string& pattern, const std::string& text) {
  auto found = patterns_.find(pattern);
  if (found == patterns_.end()) found = patterns_.emplace(pattern, regex(pattern, budget_)).first;
  return found->second.label_of(text) != 0;
}

bool SchemaCheck::string(const Json& schema, const std::string& value) {
  if (!within(document_, schema, "minLength", "maxLength", characters(value))) return false;
  for (const char* name : {"pattern", "$notPattern"})
    if (const Json* p = keyword(schema, name); p != nullptr && p->is_string())
      if (finds(p->get<std::string>(), value) != (name[0] == 'p')) return false;
  if (const Json* other = keyword(schema, "$notString"); other != nullptr && *other == value) return false;
  const Json* format = keyword(schema, "format");
  if (format == nullptr || !format->is_string()) return true;
  const char* pattern = format_pattern(format->get<std::string>());
  if (pattern != nullptr && *pattern == '\0') document_.refuse(schema, "format", "this format is not supported");
  return pattern == nullptr || finds(pattern, value);
}

bool SchemaCheck::array(const Json& schema, const Json& value) {
  if (!within(document_, schema, "minItems", "maxItems", value.size())) return false;
  const Json* items = keyword(schema, "items");
  const Json* first = items != nullptr && items->is_array() ? items : array_of(document_, schema, "prefixItems");
  const Json* rest = first == items && items != nullptr ? keyword(schema, "additionalItems") : items;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const Json* of = first != nullptr && i < first->size() ? &(*first)[i] : rest;
    if (of != nullptr && !holds(*of, value[i])) return false;
  }
  if (const Json* contains = keyword(schema, "contains")) {
    const auto count = static_cast<std::uint32_t>(
        std::count_if(value.begin(), value.end(), [&](const Json& item) { return holds(*contains, item); }));
    if (count < count_of(document_, schema, "minContains").value_or(1)) return false;
    if (count > count_of(document_, schema, "maxContains").value_or(kMany)) return false;
  }
  if (const Json* unique = keyword(schema, "uniqueItems"); unique != nullptr && *unique == true)
    for (std::size_t i = 0; i < value.size(); ++i)
      if (std::find(value.begin() + static_cast<std::ptrdiff_t>(i) + 1, value.end(), value[i]) != value.end())
        return false;
  return true;
}

bool SchemaCheck::object(const Json& schema, const Json& value) {
  if (!within(document_, schema, "minProperties", "maxProperties", value.size())) return false;
  for (const std::string& name : required_of(document_, schema))
    if (!value.contains(name)) return false;
  const Json *properties = object_of(document_, schema, "properties"),
             *patterns = object_of(document_, schema, "patternProperties"),
             *others = keyword(schema, "additionalProperties"), *names = keyword(schema, "propertyNames");
  for (const auto& [name, member] : value.items()) {
    bool known = false;
    if (properties != nullptr && properties->contains(name)) {
      known = true;
      if (!holds((*properties)[name], member)) return false;
    }
    if (patterns != nullptr)
      for (const auto& [pattern, of] : patterns->items())
        if (finds(pattern, name)) {
          known = true;
          if (!holds(of, member)) return false;
        }
    if (!known && others != nullptr && !holds(*others, member)) return false;
    if (names != nullptr && !holds(*names, name)) return false;
  }
  return dependent(schema, value);
}

bool SchemaCheck::dependent(const Json& schema, const Json& value) {
  for (const char* list : {"dependencies", "dependentRequired", "dependentSchemas"}) {
    const Json* all = object_of(document_, schema, list);
    if (all == nullptr) continue;
    for (const auto& [name, needs] : all->items()) {
      if (!value.contains(name)) continue;
      if (!needs.is_array()) {
        if (!holds(needs, value)) return false;
        continue;
      }
      for (const Json& other : needs)
        if (!other.is_string() || !value.contains(other.get<std::string>())) return false;
    }
  }
  return true;
}

bool SchemaCheck::applied(const Json& schema, const Json& value) {
  const auto holds_for = [&](const Json& of) { return holds(of, value); };
  if (const Json* of = array_of(document_, schema, "allOf"); of && !std::all_of(of->begin(), of->end(), holds_for))
    return false;
  if (const Json* of = array_of(document_, schema, "anyOf"); of && std::none_of(of->begin(), of->end(), holds_for))
    return false;
  if (const Json* of = array_of(document_, schema, "oneOf");
      of && std::count_if(of->begin(), of->end(), holds_for) != 1)
    return false;
  if (const Json* of = keyword(schema, "not"); of && holds(*of, value)) return false;
  if (const Json* condition = keyword(schema, "if")) {
    const Json* of = keyword(schema, holds(*condition, value) ? "then" : "else");
    if (of != nullptr && !holds(*of, value)) return false;
  }
  return true;
}

}  // namespace monza::grammar
