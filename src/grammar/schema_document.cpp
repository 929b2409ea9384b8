#include "grammar/schema_document.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_integer.h"

namespace monza::grammar {
namespace {

std::string without_fragment(const std::string& uri) { return uri.substr(0, uri.find('#')); }

/// RFC 3986's resolution, as far as references in schemas need it.
std::string join(const std::string& base, const std::string& reference) {
  if (reference.empty() || reference[0] == '#') return without_fragment(base) + reference;
  const std::size_t colon = reference.find(':');
  if (colon != std::string::npos && colon < reference.find_first_of("/?#")) return reference;
  const std::size_t authority = base.find("://");
  const std::size_t root = authority == std::string::npos ? 0 : std::min(base.find('/', authority + 3), base.size());
  if (reference[0] == '/') return base.substr(0, root) + reference;
  std::string path = without_fragment(base);
  const std::size_t slash = path.rfind('/');
  path.resize(slash == std::string::npos || slash < root ? root : slash + 1);
  return path + reference;
}

std::string unescaped(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const auto hex = [&](std::size_t at) {
      const char c = token[at], low = static_cast<char>(c | 32);
      return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
    };
    if (token[i] == '%' && i + 2 < token.size() && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
      out += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
      i += 2;
    } else {
      out += token[i];
    }
  }
  for (const auto& [from, to] : {std::pair{"~1", "/"}, std::pair{"~0", "~"}})
    for (std::size_t at = 0; (at = out.find(from, at)) != std::string::npos; ++at) out.replace(at, 2, to);
  return out;
}

std::string escaped(std::string token) {
  for (const auto& [from, to] : {std::pair{"~", "~0"}, std::pair{"/", "~1"}})
    for (std::size_t at = 0; (at = token.find(from, at)) != std::string::npos; at += 2) token.replace(at, 1, to);
  return token;
}

}  // namespace

SchemaDocument::SchemaDocument(std::string_view text, std::size_t depth) {
  std::size_t deepest = 0, now = 0;
  const auto watch = [&](int, Json::parse_event_t event, Json&) {
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)
      deepest = std::max(deepest, ++now);
    else if (event == Json::parse_event_t::object_end || event == Json::parse_event_t::array_end) --now;
    if (deepest > depth) fail("a schema is nested more than {} deep", depth);
    return true;
  };
  try {
    root_ = Json::parse(text, watch);
  } catch (const Json::exception& e) {
    fail("a schema is no JSON: {}", e.what());
  }
  if (!root_.is_object() && !root_.is_boolean()) fail("a schema is an object, true or false");
  if (const auto draft = root_.find("$schema"); root_.is_object() && draft != root_.end() && draft->is_string())
    for (const char* old : {"draft-03", "draft-04", "draft-05", "draft-06", "draft-07"})
      old_draft_ = old_draft_ || draft->get<std::string>().find(old) != std::string::npos;
  look(root_, "", "", 0);
}

void SchemaDocument::look(const Json& schema, std::string base, const std::string& pointer, std::size_t depth) {
  places_[&schema] = {base, pointer};
  if (schema.is_array()) {
    for (std::size_t i = 0; i < schema.size(); ++i) look(schema[i], base, pointer + "/" + std::to_string(i), depth + 1);
    return;
  }
  if (!schema.is_object() && !schema.is_boolean()) return;
  if (schema.is_object()) {
    const bool no_id = old_draft_ && schema.contains("$ref");  // stands alone
    for (const char* key : {"$id", "id"})
      if (const auto id = schema.find(key); id != schema.end() && id->is_string() && !no_id) {
        base = join(base, id->get<std::string>());
        ids_.emplace(base, &schema);
        base = without_fragment(base);
        ids_.emplace(base, &schema);
        break;
      }
    for (const char* key : {"$anchor", "$dynamicAnchor"})
      if (const auto anchor = schema.find(key); anchor != schema.end() && anchor->is_string())
        ids_.emplace(base + "#" + anchor->get<std::string>(), &schema);
  }
  if (depth == 0) ids_.emplace(base, &schema);
  places_[&schema].base = base;
  if (schema.is_boolean()) return;
  for (const auto& [key, value] : schema.items())
    if (key != "enum" && key != "const" && key != "default" && key != "examples")
      look(value, base, pointer + "/" + escaped(key), depth + 1);
}

const Json* SchemaDocument::at_pointer(const Json& from, std::string_view pointer) const {
  const Json* at = &from;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    const std::string token = unescaped(pointer.substr(0, end));
    pointer.remove_prefix(end);
    if (at->is_object()) {
      const auto found = at->find(token);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array()) {
      if (token.empty() || token.size() > 6 || token.find_first_not_of("0123456789") != std::string::npos)
        return nullptr;
      const std::size_t index = std::stoul(token);
      if (index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at->is_object() || at->is_boolean() ? at : nullptr;
}

const Json& SchemaDocument::target(const Json& schema) const {
  const Json& ref = schema.at("$ref");
  if (!ref.is_string()) refuse(schema, "$ref", "it is no string");
  const auto place = places_.find(&schema);
  const std::string uri = join(place == places_.end() ? "" : place->second.base, ref.get<std::string>());
  const std::size_t hash = std::min(uri.find('#'), uri.size());
  const std::string fragment = hash < uri.size() ? uri.substr(hash + 1) : "";
  const Json* found = nullptr;
  if (const auto whole = ids_.find(uri); whole != ids_.end()) {
    found = whole->second;
  } else if (const auto id = ids_.find(uri.substr(0, hash)); id != ids_.end()) {
    if (fragment.empty()) found = id->second;
    else if (fragment[0] == '/') found = at_pointer(*id->second, fragment);
  }
  if (found == nullptr) refuse(schema, "$ref", "'" + ref.get<std::string>() + "' is not in this schema");
  return *found;
}

const Json& SchemaDocument::keep(Json schema) {
  kept_.push_back(std::move(schema));
  return kept_.back();
}

Json SchemaDocument::mention(const Json& schema) {
  mentioned_.push_back(&schema);
  return {{"$at", mentioned_.size() - 1}};
}

const Json& SchemaDocument::mentioned(const Json& schema) const {
  const auto index = whole_number<std::size_t>(schema.at("$at"));
  if (!index || *index >= mentioned_.size()) refuse(schema, "$at", "this keyword is not one of schemas");
  return *mentioned_[*index];
}

void SchemaDocument::refuse(const Json& schema, std::string_view keyword, std::string_view why) const {
  const auto place = places_.find(&schema);
  std::string where = place == places_.end() ? "(in a negation)" : "#" + place->second.pointer;
  if (!keyword.empty()) where.append("/").append(keyword);
  fail("schema, {}: {}", where, why);
}

}  // namespace monza::grammar
