// Not (A and B) is not A, or not B: each keyword gives alternatives.
#include "grammar/schema_negation.h"

#include "grammar/formats.h"

namespace monza::grammar {

const Json& SchemaNegation::of(const Json& schema) {
  const auto [found, is_new] = done_.emplace(&schema, nullptr);
  if (!is_new) {
    if (found->second == nullptr) document_.refuse(schema, "not", "a schema that holds itself cannot be negated");
    return *found->second;
  }
  const Json& negated = document_.keep(negate(schema));
  done_[&schema] = &negated;
  return negated;
}

Json SchemaNegation::negate(const Json& schema) {
  if (schema.is_boolean()) return !schema.get<bool>();
  if (!schema.is_object()) document_.refuse(schema, "not", "this is no schema");
  Json any = Json::array();
  if (keyword(schema, "$at") != nullptr)
    return {{"anyOf", Json::array({mention_negated(document_.mentioned(schema))})}};
  if (keyword(schema, "$ref") != nullptr) {
    any.push_back(mention_negated(document_.target(schema)));
    if (document_.ref_stands_alone()) return {{"anyOf", any}};
  }
  for (const char* name : {"multipleOf", "patternProperties", "propertyNames", "dependencies", "dependentSchemas",
                           "dependentRequired", "if", "oneOf", "prefixItems", "additionalItems", "minContains",
                           "maxContains", "uniqueItems", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"})
    if (const Json* there = keyword(schema, name); there != nullptr && *there != true && *there != Json::object())
      document_.refuse(schema, name, "its opposite (in 'not', 'if' or 'oneOf') is not supported");
  if (const std::uint32_t types = types_of(document_, schema); types != kAnyType)
    any.push_back({{"$types", kAnyType & ~types}});
  values(schema, any);
  numbers(schema, any);
  counts(schema, any);
  strings(schema, any);
  arrays(schema, any);
  objects(schema, any);
  applied(schema, any);
  if (any.empty()) return false;
  return {{"anyOf", std::move(any)}};
}

Json SchemaNegation::value(const Json& schema, const Json& value) {
  const std::uint32_t type = type_of_value(value);
  Json any = Json::array();
  any.push_back({{"$types", kAnyType & ~(value.is_number() ? kNumber : type)}});
  if (value.is_number()) {
    any.push_back({{"$types", kNumber}, {"exclusiveMaximum", value}});
    any.push_back({{"$types", kNumber}, {"exclusiveMinimum", value}});
  } else if (value.is_string()) {
    any.push_back({{"type", "string"}, {"$notString", value}});
  } else if (value.is_boolean()) {
    any.push_back({{"const", !value.get<bool>()}});
  } else if (value.is_object() && value.empty()) {
    any.push_back({{"type", "object"}, {"minProperties", 1}});
  } else if (value.is_array() && value.empty()) {
    any.push_back({{"type", "array"}, {"minItems", 1}});
  } else if (!value.is_null()) {
    document_.refuse(schema, "const", "the opposite of an array or object is not supported");
  }
  return {{"anyOf", std::move(any)}};
}

void SchemaNegation::values(const Json& schema, Json& any) {
  if (const Json* one = keyword(schema, "const")) any.push_back(value(schema, *one));
  if (const Json* of = array_of(document_, schema, "enum")) {
    Json all = Json::array();
    for (const Json& one : *of) all.push_back(value(schema, one));
    any.push_back({{"allOf", std::move(all)}});
  }
}

void SchemaNegation::numbers(const Json& schema, Json& any) {
  for (const bool least : {true, false}) {
    const char *inclusive = least ? "minimum" : "maximum", *exclusive = least ? "exclusiveMinimum" : "exclusiveMaximum";
    (void)bounds_of(document_, schema, least);  // checked
    const Json *bound = keyword(schema, inclusive), *other = keyword(schema, exclusive);
    const bool is_exclusive = other != nullptr && other->is_boolean() && other->get<bool>();
    const char *opposite = least ? "maximum" : "minimum",
               *opposite_exclusive = least ? "exclusiveMaximum" : "exclusiveMinimum";
    if (bound != nullptr) any.push_back({{"$types", kNumber}, {is_exclusive ? opposite : opposite_exclusive, *bound}});
    if (other != nullptr && !other->is_boolean()) any.push_back({{"$types", kNumber}, {opposite, *other}});
  }
}

void SchemaNegation::counts(const Json& schema, Json& any) {
  constexpr struct {
    const char *min, *max, *type;
  } kCounts[] = {{"minLength", "maxLength", "string"},
                 {"minItems", "maxItems", "array"},
                 {"minProperties", "maxProperties", "object"}};
  for (const auto& c : kCounts) {
    if (const auto min = count_of(document_, schema, c.min); min && *min > 0)
      any.push_back({{"type", c.type}, {c.max, *min - 1}});
    if (const auto max = count_of(document_, schema, c.max)) any.push_back({{"type", c.type}, {c.min, *max + 1}});
  }
}

void SchemaNegation::strings(const Json& schema, Json& any) {
  if (const Json* pattern = keyword(schema, "pattern")) any.push_back({{"type", "string"}, {"$notPattern", *pattern}});
  if (const Json* format = keyword(schema, "format"); format != nullptr && format->is_string())
    if (const char* pattern = format_pattern(format->get<std::string>())) {
      if (*pattern == '\0') document_.refuse(schema, "format", "this format is not supported");
      any.push_back({{"type", "string"}, {"$notPattern", pattern}});
    }
}

void SchemaNegation::arrays(const Json& schema, Json& any) {
  if (const Json* items = keyword(schema, "items"); items != nullptr && *items != true && *items != Json::object()) {
    if (items->is_array()) document_.refuse(schema, "items", "the opposite of a list is not supported");
    any.push_back({{"type", "array"}, {"contains", mention_negated(*items)}});
  }
  if (const Json* contains = keyword(schema, "contains"))
    any.push_back({{"type", "array"}, {"items", mention_negated(*contains)}});
}

void SchemaNegation::objects(const Json& schema, Json& any) {
  for (const std::string& name : required_of(document_, schema))
    any.push_back({{"type", "object"}, {"properties", {{name, false}}}});
  const Json* properties = object_of(document_, schema, "properties");
  if (properties != nullptr)
    for (const auto& [name, of] : properties->items())
      if (of != true && of != Json::object())
        any.push_back({{"type", "object"}, {"required", {name}}, {"properties", {{name, mention_negated(of)}}}});
  const Json* others = keyword(schema, "additionalProperties");
  if (others != nullptr && *others != true && *others != Json::object())
    document_.refuse(schema, "additionalProperties", "its opposite (in 'not', 'if' or 'oneOf') is not supported");
}

void SchemaNegation::applied(const Json& schema, Json& any) {
  if (const Json* of = keyword(schema, "not")) any.push_back(document_.mention(*of));
  if (const Json* of = array_of(document_, schema, "allOf"))
    for (const Json& one : *of) any.push_back(mention_negated(one));
  if (const Json* of = array_of(document_, schema, "anyOf")) {
    Json all = Json::array();
    for (const Json& one : *of) all.push_back(mention_negated(one));
    any.push_back({{"allOf", std::move(all)}});
  }
}

}  // namespace monza::grammar
