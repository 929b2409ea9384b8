// What a schema does not allow, as a schema.
#pragma once

#include <unordered_map>

#include "grammar/schema_keywords.h"

namespace monza::grammar {

class SchemaNegation {
 public:
  explicit SchemaNegation(SchemaDocument& document) : document_(document) {}
  /// The schema of all values that `schema` refuses. Throws Error for keywords whose opposite no schema says.
  const Json& of(const Json& schema);

 private:
  Json negate(const Json& schema);
  Json mention_negated(const Json& schema) { return document_.mention(of(schema)); }
  void values(const Json& schema, Json& any);
  Json value(const Json& schema, const Json& value);
  void numbers(const Json& schema, Json& any);
  void counts(const Json& schema, Json& any);
  void strings(const Json& schema, Json& any);
  void arrays(const Json& schema, Json& any);
  void objects(const Json& schema, Json& any);
  void applied(const Json& schema, Json& any);

  SchemaDocument& document_;
  std::unordered_map<const Json*, const Json*> done_;  ///< null: on the way
};

}  // namespace monza::grammar
