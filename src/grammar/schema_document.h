// A JSON Schema as it was read, and what its references point at. Included where schemas are compiled and nowhere else.
#pragma once

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

namespace monza::grammar {

using Json = nlohmann::json;

/// Schemas are known by their addresses, which stay.
class SchemaDocument {
 public:
  /// Throws Error for what is no JSON, or nested deeper than `depth`.
  SchemaDocument(std::string_view text, std::size_t depth);

  const Json& root() const { return root_; }
  /// Drafts up to 7 take nothing that stands beside "$ref".
  bool ref_stands_alone() const { return old_draft_; }
  /// What "$ref" of a schema points at. Throws Error where that is not in this document.
  const Json& target(const Json& schema) const;
  /// Keeps a schema that was made of others.
  const Json& keep(Json schema);
  /// A schema that means another one: {"$at": N}.
  Json mention(const Json& schema);
  const Json& mentioned(const Json& schema) const;
  /// Throws Error that names the place of a schema, as far as it is known, and the keyword.
  [[noreturn]] void refuse(const Json& schema, std::string_view keyword, std::string_view why) const;

 private:
  struct Place {
    std::string base;     ///< the URI that references are relative to
    std::string pointer;  ///< a JSON pointer from the root
  };
  void look(const Json& schema, std::string base, const std::string& pointer, std::size_t depth);
  const Json* at_pointer(const Json& from, std::string_view pointer) const;

  Json root_;
  bool old_draft_ = false;
  std::deque<Json> kept_;
  std::vector<const Json*> mentioned_;
  std::unordered_map<const Json*, Place> places_;
  std::map<std::string, const Json*> ids_;  ///< by URI; of an anchor "URI#anchor"
};

}  // namespace monza::grammar
