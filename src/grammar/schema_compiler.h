// From schemas to nodes of a grammar. Included where schemas are compiled and nowhere else.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "grammar/char_dfa.h"
#include "grammar/json_schema.h"
#include "grammar/schema_check.h"
#include "grammar/schema_negation.h"

namespace monza::grammar {

/// A schema, less the keywords that were dealt with.
struct SchemaPart {
  enum Done : std::uint32_t { kRef = 1, kAllOf = 2, kAnyOf = 4, kOneOf = 8, kNot = 16, kIf = 32, kDependent = 64 };
  const Json* schema;
  std::uint32_t done = 0;
  auto operator<=>(const SchemaPart&) const = default;
};
/// Schemas that all hold, sorted, each once.
using SchemaParts = std::vector<SchemaPart>;

class SchemaCompiler {
 public:
  SchemaCompiler(std::string_view schema, const SchemaOptions& options);
  GrammarPtr compile();

 private:
  /// What may come next of members that no property names: the parts that hold for the value.
  struct Others {
    CharDfa names;  ///< label i + 1: values[i]
    std::vector<SchemaParts> values;
  };
  /// What strings must be.
  struct Strings {
    bool free = true;  ///< any text between min and max characters
    CharDfa texts;
    std::uint32_t min = 0, max = kMany;
  };

  // schema_compiler.cpp: what holds at once becomes alternatives
  NodeId node(SchemaParts parts);
  NodeId alternatives(const SchemaParts& parts);
  void flatten(SchemaParts& parts) const;
  std::optional<std::vector<const Json*>> split(SchemaPart& part);
  std::vector<const Json*> one_of(const Json& schema, const Json& list);
  std::vector<const Json*> conditions(const Json& schema);
  std::vector<const Json*> dependencies(const Json& schema);
  bool exclude(const Json& a, const Json& b, int depth);
  bool property_excludes(const Json& a, const Json& b, int depth);
  std::optional<std::vector<Json>> values_of(const SchemaParts& parts);
  std::uint32_t types(const SchemaParts& parts) const;
  NodeId leaf(const SchemaParts& parts);
  void refuse_unsupported(const Json& schema) const;

  // schema_values.cpp: numbers, strings, constants
  NodeId number(const SchemaParts& parts, std::uint32_t types);
  NodeId string(const SchemaParts& parts);
  Strings strings(const SchemaParts& parts);
  CharDfa language(SchemaParts parts);
  NodeId constant(const Json& value);
  NodeId punctuation(const char* pattern);

  // schema_structures.cpp: arrays and objects
  NodeId array(const SchemaParts& parts);
  SchemaParts item(const SchemaParts& parts, std::size_t index) const;
  NodeId different_items(const SchemaParts& parts, std::uint32_t min, std::uint32_t max);
  NodeId counted_items(const SchemaParts& parts, std::uint32_t min, std::uint32_t max);
  NodeId object(const SchemaParts& parts);
  SchemaParts named_value(const SchemaParts& parts, const std::string& name);
  Others others(const SchemaParts& parts, const std::vector<std::string>& names);
  const CharDfa& pattern(const Json& schema, const char* keyword, const std::string& text);

  SchemaOptions options_;
  Budget budget_;
  SchemaDocument document_;
  SchemaNegation negation_;
  GrammarBuilder builder_;
  SchemaCheck check_;
  std::map<SchemaParts, NodeId> nodes_;
  std::map<std::string, CharDfa> patterns_;
  std::map<std::string, NodeId> shared_;  ///< punctuation and constants, by what they are
  NodeId open_array_, close_array_, open_object_, close_object_, comma_, colon_, nothing_;
  DfaPtr string_dfa_;
  std::size_t depth_ = 0;
};

}  // namespace monza::grammar
