// Schemas that hold at once become alternatives of schemas without alternatives, and these become nodes.
#include "grammar/schema_compiler.h"

#include <algorithm>

#include "base/error.h"

namespace monza::grammar {
namespace {

/// The schema that a chain of references ends at.
const Json& resolved(const SchemaDocument& document, const Json& schema) {
  const Json* at = &schema;
  for (int i = 0; i < 32 && at->is_object(); ++i) {
    if (keyword(*at, "$at") != nullptr) at = &document.mentioned(*at);
    else if (keyword(*at, "$ref") != nullptr && (document.ref_stands_alone() || at->size() == 1))
      at = &document.target(*at);
    else break;
  }
  return *at;
}

}  // namespace

NodeId SchemaCompiler::node(SchemaParts parts) {
  flatten(parts);
  if (const auto found = nodes_.find(parts); found != nodes_.end()) return found->second;
  if (++depth_ > budget_.limits().depth) fail("a schema takes more than {} levels", budget_.limits().depth);
  const NodeId rule = builder_.rule("schema");
  nodes_.emplace(parts, rule);
  budget_.work(64 + 8 * parts.size());
  builder_.define(rule, alternatives(parts));
  --depth_;
  return rule;
}

/// References and allOf make further parts of them. What is true goes, and what is there already.
void SchemaCompiler::flatten(SchemaParts& parts) const {
  std::set<const Json*> seen;
  for (const SchemaPart& p : parts) seen.insert(p.schema);
  SchemaParts flat;
  const auto add = [&](const Json& schema) {
    if (seen.insert(&schema).second) parts.push_back({&schema});
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    SchemaPart part = parts[i];
    const Json& schema = *part.schema;
    if (!schema.is_object() && !schema.is_boolean()) document_.refuse(schema, "", "this is no schema");
    if (schema == true || schema == Json::object()) continue;
    if (keyword(schema, "$at") != nullptr) {
      add(document_.mentioned(schema));
      continue;
    }
    if (keyword(schema, "$ref") != nullptr && (part.done & SchemaPart::kRef) == 0) {
      add(document_.target(schema));
      if (document_.ref_stands_alone()) continue;
      part.done |= SchemaPart::kRef;
    }
    if (const Json* all = array_of(document_, schema, "allOf");
        all != nullptr && (part.done & SchemaPart::kAllOf) == 0) {
      for (const Json& one : *all) add(one);
      part.done |= SchemaPart::kAllOf;
    }
    flat.push_back(part);
  }
  std::sort(flat.begin(), flat.end());
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  parts = std::move(flat);
}

std::uint32_t SchemaCompiler::types(const SchemaParts& parts) const {
  std::uint32_t all = kAnyType;
  for (const SchemaPart& p : parts) all &= *p.schema == false ? 0u : types_of(document_, *p.schema);
  return all;
}

/// The values that "enum" or "const" leaves, when there is one.
std::optional<std::vector<Json>> SchemaCompiler::values_of(const SchemaParts& parts) {
  for (const SchemaPart& listed : parts) {
    const Json *of = array_of(document_, *listed.schema, "enum"), *one = keyword(*listed.schema, "const");
    if (of == nullptr && one == nullptr) continue;
    std::vector<Json> values;
    for (const Json& value : one != nullptr ? Json::array({*one}) : *of) {
      const bool holds =
          std::all_of(parts.begin(), parts.end(), [&](const SchemaPart& p) { return check_.holds(*p.schema, value); });
      if (holds && std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    return values;
  }
  return std::nullopt;
}

NodeId SchemaCompiler::alternatives(const SchemaParts& parts) {
  if (const auto values = values_of(parts)) {
    std::vector<NodeId> all;
    for (const Json& value : *values) all.push_back(constant(value));
    return builder_.choice(std::move(all));
  }
  if (types(parts) == 0) return nothing_;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    SchemaParts chosen = parts;
    const auto split_at = split(chosen[i]);
    if (!split_at) continue;
    std::vector<NodeId> all;
    for (const Json* alternative : *split_at) {
      SchemaParts with = chosen;
      with.push_back({alternative});
      all.push_back(node(std::move(with)));
    }
    return builder_.choice(std::move(all));
  }
  return leaf(parts);
}

/// The alternatives of a part's next keyword that has some, which is then marked; empty where there is none.
std::optional<std::vector<const Json*>> SchemaCompiler::split(SchemaPart& part) {
  const Json& schema = *part.schema;
  const auto take = [&](SchemaPart::Done what) {
    if ((part.done & what) != 0) return false;
    part.done |= what;
    return true;
  };
  if (!schema.is_object()) return std::nullopt;
  if (const Json* no = keyword(schema, "not"); no != nullptr && take(SchemaPart::kNot))
    return std::vector{&negation_.of(*no)};
  if (keyword(schema, "if") != nullptr && take(SchemaPart::kIf)) return conditions(schema);
  for (const char* name : {"dependencies", "dependentRequired", "dependentSchemas"})
    if (object_of(document_, schema, name) != nullptr && take(SchemaPart::kDependent)) return dependencies(schema);
  if (const Json* any = array_of(document_, schema, "anyOf"); any != nullptr && take(SchemaPart::kAnyOf)) {
    std::vector<const Json*> all;
    for (const Json& one : *any) all.push_back(&one);
    return all;
  }
  if (const Json* one = array_of(document_, schema, "oneOf"); one != nullptr && take(SchemaPart::kOneOf))
    return one_of(schema, *one);
  return std::nullopt;
}

std::vector<const Json*> SchemaCompiler::conditions(const Json& schema) {
  const Json& condition = schema["if"];
  const Json *then = keyword(schema, "then"), *otherwise = keyword(schema, "else");
  if (then == nullptr && otherwise == nullptr) return {&document_.keep(true)};
  const auto both = [&](const Json& first, const Json* second) {
    Json all = Json::array({document_.mention(first)});
    if (second != nullptr) all.push_back(document_.mention(*second));
    return &document_.keep({{"allOf", std::move(all)}});
  };
  return {both(condition, then), both(negation_.of(condition), otherwise)};
}

std::vector<const Json*> SchemaCompiler::dependencies(const Json& schema) {
  Json all = Json::array();
  for (const char* list : {"dependencies", "dependentRequired", "dependentSchemas"}) {
    const Json* of = object_of(document_, schema, list);
    if (of == nullptr) continue;
    for (const auto& [name, needs] : of->items()) {
      Json there = {{"required", {name}}};
      if (needs.is_array()) there["required"].insert(there["required"].end(), needs.begin(), needs.end());
      else if (needs.is_string()) there["required"].push_back(needs);
      else there["allOf"] = Json::array({document_.mention(needs)});
      Json absent = {{"properties", {{name, false}}}};
      Json any = Json::array({{{"$types", kAnyType & ~kObject}}});
      for (Json* one : {&absent, &there}) {
        (*one)["type"] = "object";
        any.push_back(std::move(*one));
      }
      all.push_back({{"anyOf", std::move(any)}});
    }
  }
  return {&document_.keep({{"allOf", std::move(all)}})};
}

/// Alternatives of which one alone may hold: as they are where they exclude each other, else each with the opposite of
/// those that it does not exclude.
std::vector<const Json*> SchemaCompiler::one_of(const Json& schema, const Json& list) {
  std::vector<const Json*> all;
  budget_.work(list.size() * list.size() * 16);
  for (std::size_t i = 0; i < list.size(); ++i) {
    Json both = Json::array();
    for (std::size_t j = 0; j < list.size(); ++j)
      if (j != i && !exclude(list[i], list[j], 0)) both.push_back(document_.mention(negation_.of(list[j])));
    if (both.empty()) {
      all.push_back(&list[i]);
      continue;
    }
    both.push_back(document_.mention(list[i]));
    all.push_back(&document_.keep({{"allOf", std::move(both)}}));
  }
  if (all.empty()) document_.refuse(schema, "oneOf", "it is empty");
  return all;
}

/// Whether it is plain that no value is allowed by both. False may mean that it is not plain.
bool SchemaCompiler::exclude(const Json& first, const Json& second, int depth) {
  const Json &a = resolved(document_, first), &b = resolved(document_, second);
  if (&a == &b || depth > 8) return a == false;
  if (a == false || b == false) return true;
  const std::uint32_t types = types_of(document_, a) & types_of(document_, b);
  if (types == 0) return true;
  for (const auto& [x, y] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
    const Json *of = array_of(document_, *x, "enum"), *one = keyword(*x, "const");
    if (of != nullptr || one != nullptr) {
      const Json values = one != nullptr ? Json::array({*one}) : *of;
      return std::none_of(values.begin(), values.end(),
                          [&](const Json& v) { return check_.holds(*x, v) && check_.holds(*y, v); });
    }
    const Json* other = y;
    const auto excludes = [&](const Json& part) { return exclude(part, *other, depth + 1); };
    if (const Json* all = array_of(document_, *x, "allOf"); all && std::any_of(all->begin(), all->end(), excludes))
      return true;
    for (const char* name : {"anyOf", "oneOf"})
      if (const Json* any = array_of(document_, *x, name); any && std::all_of(any->begin(), any->end(), excludes))
        return true;
  }
  return types == kObject && (property_excludes(a, b, depth) || property_excludes(b, a, depth));
}

/// Whether a property that `a` requires is none of `b`'s.
bool SchemaCompiler::property_excludes(const Json& a, const Json& b, int depth) {
  const Json *of_a = object_of(document_, a, "properties"), *of_b = object_of(document_, b, "properties");
  const Json* others = keyword(b, "additionalProperties");
  const bool closed = others != nullptr && *others == false && keyword(b, "patternProperties") == nullptr;
  for (const std::string& name : required_of(document_, a)) {
    const bool in_b = of_b != nullptr && of_b->contains(name);
    if (!in_b && closed) return true;
    if (!in_b) continue;
    if ((*of_b)[name] == false) return true;
    if (of_a != nullptr && of_a->contains(name) && exclude((*of_a)[name], (*of_b)[name], depth + 1)) return true;
  }
  return false;
}

void SchemaCompiler::refuse_unsupported(const Json& schema) const {
  for (const char* name : {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"})
    if (const Json* there = keyword(schema, name); there != nullptr && *there != true)
      document_.refuse(schema, name, "this keyword is not supported");
}

NodeId SchemaCompiler::leaf(const SchemaParts& parts) {
  for (const SchemaPart& p : parts) refuse_unsupported(*p.schema);
  const std::uint32_t types = this->types(parts);
  std::vector<NodeId> all;
  if ((types & kNull) != 0) all.push_back(constant(nullptr));
  if ((types & kBoolean) != 0) all.push_back(constant(true)), all.push_back(constant(false));
  if ((types & kNumber) != 0) all.push_back(number(parts, types));
  if ((types & kString) != 0) all.push_back(string(parts));
  if ((types & kArray) != 0) all.push_back(array(parts));
  if ((types & kObject) != 0) all.push_back(object(parts));
  return builder_.choice(std::move(all));
}

SchemaCompiler::SchemaCompiler(std::string_view schema, const SchemaOptions& options)
    : options_(options),
      budget_(options.limits),
      document_(schema, options.limits.depth),
      negation_(document_),
      builder_(budget_),
      check_(document_, budget_) {
  const bool spaced = options.white_space;
#define MONZA_SPACE "( |\\r?\\n[ \\t]{0,64})?"
  open_array_ = punctuation(spaced ? "^\\[" MONZA_SPACE "$" : "^\\[$");
  close_array_ = punctuation(spaced ? "^" MONZA_SPACE "\\]$" : "^\\]$");
  open_object_ = punctuation(spaced ? "^\\{" MONZA_SPACE "$" : "^\\{$");
  close_object_ = punctuation(spaced ? "^" MONZA_SPACE "\\}$" : "^\\}$");
  comma_ = punctuation(spaced ? "^," MONZA_SPACE "$" : "^,$");
  colon_ = punctuation(spaced ? "^:" MONZA_SPACE "$" : "^:$");
#undef MONZA_SPACE
  nothing_ = builder_.choice({});
  string_dfa_ = json_string(CharDfa::all(), budget_);
}

GrammarPtr SchemaCompiler::compile() { return builder_.build(node({{&document_.root()}})); }

GrammarPtr compile_schema(std::string_view schema, const SchemaOptions& options) {
  if (schema.size() > options.limits.source_bytes)
    fail("a schema has {} bytes, more than {}", schema.size(), options.limits.source_bytes);
  return SchemaCompiler(schema, options).compile();
}

}  // namespace monza::grammar
