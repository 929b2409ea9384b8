#include "grammar/schema_keywords.h"

#include <cmath>

#include "base/error.h"
#include "base/json_integer.h"

namespace monza::grammar {

std::uint32_t type_of_value(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return kNull;
    case Json::value_t::boolean: return kBoolean;
    case Json::value_t::string: return kString;
    case Json::value_t::array: return kArray;
    case Json::value_t::object: return kObject;
    case Json::value_t::number_float:
      return std::trunc(value.get<double>()) == value.get<double>() ? kWhole : kFraction;
    default: return kWhole;
  }
}

std::uint32_t types_of(const SchemaDocument& document, const Json& schema) {
  std::uint32_t types = kAnyType;
  if (const Json* set = keyword(schema, "$types")) types = whole_number<std::uint32_t>(*set).value_or(0);
  const Json* type = keyword(schema, "type");
  if (type == nullptr) return types;
  const auto of = [&](const Json& name) -> std::uint32_t {
    constexpr std::pair<const char*, std::uint32_t> kNames[] = {
        {"null", kNull},     {"boolean", kBoolean}, {"integer", kWhole}, {"number", kNumber},
        {"string", kString}, {"array", kArray},     {"object", kObject}, {"any", kAnyType}};
    for (const auto& [known, set] : kNames)
      if (name == known) return set;
    document.refuse(schema, "type", "this is no type");
  };
  if (!type->is_array()) return types & of(*type);
  std::uint32_t any = 0;
  for (const Json& name : *type) any |= of(name);
  return types & any;
}

std::optional<std::uint32_t> count_of(const SchemaDocument& document, const Json& schema, const char* name) {
  const Json* value = keyword(schema, name);
  if (value == nullptr) return std::nullopt;
  const auto count = whole_number<std::uint32_t>(*value);
  if (!count || *count > 1'000'000'000) document.refuse(schema, name, "it is no whole number from 0 to 1000000000");
  return count;
}

Decimal decimal_of(const Json& number) { return Decimal::parse(number.dump()); }

std::vector<NumberRange::Bound> bounds_of(const SchemaDocument& document, const Json& schema, bool least) {
  std::vector<NumberRange::Bound> bounds;
  const char* name = least ? "minimum" : "maximum";
  const char* exclusive_name = least ? "exclusiveMinimum" : "exclusiveMaximum";
  const Json *value = keyword(schema, name), *exclusive = keyword(schema, exclusive_name);
  const auto check = [&](const Json& v, const char* of) {
    if (!v.is_number()) document.refuse(schema, of, "it is no number");
  };
  if (value != nullptr) {
    check(*value, name);
    bounds.push_back({decimal_of(*value), exclusive != nullptr && exclusive->is_boolean() && exclusive->get<bool>()});
  }
  if (exclusive != nullptr && !exclusive->is_boolean()) {
    check(*exclusive, exclusive_name);
    bounds.push_back({decimal_of(*exclusive), true});
  }
  return bounds;
}

std::vector<std::string> required_of(const SchemaDocument& document, const Json& schema) {
  std::vector<std::string> names;
  const Json* required = keyword(schema, "required");
  if (required == nullptr || required->is_boolean()) return names;  // draft 3's boolean says nothing here
  if (!required->is_array()) document.refuse(schema, "required", "it is no list of names");
  for (const Json& name : *required) {
    if (!name.is_string()) document.refuse(schema, "required", "it is no list of names");
    names.push_back(name.get<std::string>());
  }
  return names;
}

const Json* object_of(const SchemaDocument& document, const Json& schema, const char* name) {
  const Json* value = keyword(schema, name);
  if (value != nullptr && !value->is_object()) document.refuse(schema, name, "it is no object");
  return value;
}

const Json* array_of(const SchemaDocument& document, const Json& schema, const char* name) {
  const Json* value = keyword(schema, name);
  if (value != nullptr && !value->is_array()) document.refuse(schema, name, "it is no array");
  return value;
}

}  // namespace monza::grammar
