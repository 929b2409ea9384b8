// Fields of a tokenizer.json, read with errors that name them. Included where JSON is read and nowhere else.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json_integer.h"

namespace monza::text {

using Json = nlohmann::json;

/// Null where the field is missing, or null.
inline const Json* field(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return !object.is_object() || found == object.end() || found->is_null() ? nullptr : &*found;
}
/// Throws Error where it is missing.
inline const Json& need(const Json& object, const char* key) {
  const Json* found = field(object, key);
  if (found == nullptr) fail("a tokenizer's '{}' is missing", key);
  return *found;
}
template <typename T>
T value_of(const Json& json, const char* key) {
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    const std::optional<T> number = whole_number<T>(json);
    if (!number)
      fail("a tokenizer's '{}' is no whole number from {} to {}", key, std::numeric_limits<T>::min(),
           std::numeric_limits<T>::max());
    return *number;
  } else {
    try {
      return json.get<T>();
    } catch (const Json::exception& e) {
      fail("a tokenizer's '{}': {}", key, e.what());
    }
  }
}
template <typename T>
T need_value(const Json& object, const char* key) {
  return value_of<T>(need(object, key), key);
}
template <typename T>
T value_or(const Json& object, const char* key, T otherwise) {
  const Json* found = field(object, key);
  return found == nullptr ? otherwise : value_of<T>(*found, key);
}
inline std::string type_of(const Json& object) { return need_value<std::string>(object, "type"); }

}  // namespace monza::text
