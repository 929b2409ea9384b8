// config.json: what a model folder says of its model, field by field. Included where JSON is read and nowhere else.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json_integer.h"

namespace monza::checkpoint {

using Json = nlohmann::json;

/// A file's content. Throws Error where it is no JSON object, or has more than `most` bytes.
Json parse_file(const std::filesystem::path& path, std::size_t most);

/// Null where the field is missing, or null.
inline const Json* field(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

template <typename T>
std::optional<T> value(const Json& object, std::string_view key) {
  const Json* found = field(object, key);
  if (found == nullptr) return std::nullopt;
  bool fits = false;
  if constexpr (std::is_same_v<T, bool>) fits = found->is_boolean();
  else if constexpr (std::is_same_v<T, std::string>) fits = found->is_string();
  else if constexpr (std::is_integral_v<T>) fits = found->is_number_integer() && whole_number<T>(*found);
  else fits = found->is_number();
  if (!fits) fail("'{}' is of another type than it should be", key);
  return found->get<T>();
}
template <typename T>
T value_or(const Json& object, std::string_view key, T absent) {
  return value<T>(object, key).value_or(std::move(absent));
}
template <typename T>
T need(const Json& object, std::string_view key) {
  auto found = value<T>(object, key);
  if (!found) fail("'{}' is missing", key);
  return std::move(*found);
}

/// A list of numbers; empty where it is missing.
inline std::vector<double> numbers(const Json& object, std::string_view key) {
  std::vector<double> all;
  const Json* found = field(object, key);
  if (found == nullptr) return all;
  if (!found->is_array()) fail("'{}' is no list", key);
  for (const Json& one : *found) {
    if (!one.is_number()) fail("'{}' holds what is no number", key);
    all.push_back(one.get<double>());
  }
  return all;
}

}  // namespace monza::checkpoint
