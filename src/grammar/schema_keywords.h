// Reading the keywords of schemas. Included where schemas are compiled and nowhere else.
#pragma once

#include <cstdint>
#include <optional>

#include "grammar/numbers.h"
#include "grammar/schema_document.h"

namespace monza::grammar {

/// The kinds of values, as a set. A number is whole, or it has a fraction.
enum Type : std::uint32_t {
  kNull = 1,
  kBoolean = 2,
  kWhole = 4,
  kFraction = 8,
  kNumber = kWhole | kFraction,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAnyType = 127
};
std::uint32_t type_of_value(const Json& value);

/// Null where the schema is no object or has no such keyword.
inline const Json* keyword(const Json& schema, const char* name) {
  if (!schema.is_object()) return nullptr;
  const auto found = schema.find(name);
  return found == schema.end() ? nullptr : &*found;
}
/// What "type" allows, "$types" of negations included.
std::uint32_t types_of(const SchemaDocument& document, const Json& schema);
/// Of "minItems" and the like.
std::optional<std::uint32_t> count_of(const SchemaDocument& document, const Json& schema, const char* name);
/// "minimum", "exclusiveMinimum" and draft 4's boolean; or "maximum" and so on.
std::vector<NumberRange::Bound> bounds_of(const SchemaDocument& document, const Json& schema, bool least);
/// The names in "required".
std::vector<std::string> required_of(const SchemaDocument& document, const Json& schema);
/// The members of "properties" or the like; null where there are none. Throws Error for what is no object.
const Json* object_of(const SchemaDocument& document, const Json& schema, const char* name);
/// The elements of "anyOf" or the like; null where there are none. Throws Error for what is no array.
const Json* array_of(const SchemaDocument& document, const Json& schema, const char* name);
Decimal decimal_of(const Json& number);

}  // namespace monza::grammar
