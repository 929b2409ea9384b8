// Whole numbers out of JSON of strangers. Included where JSON is read and nowhere else.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace monza {

/// json.get<T>() converts whatever number there is: of 1e99 it is undefined, and what is too large wraps around. Empty
/// for all but a whole number that T has; 3.0 is one.
template <std::integral T>
std::optional<T> whole_number(const nlohmann::json& json) {
  if (json.is_number_unsigned()) {
    if (const auto v = json.get<std::uint64_t>(); std::in_range<T>(v)) return static_cast<T>(v);
  } else if (json.is_number_integer()) {
    if (const auto v = json.get<std::int64_t>(); std::in_range<T>(v)) return static_cast<T>(v);
  } else if (json.is_number_float()) {
    constexpr double kExact = 9007199254740992.0;  // beyond 2^53 neighbouring integers are one double
    const auto v = json.get<double>();
    if (std::abs(v) <= kExact && v == std::trunc(v) && std::in_range<T>(static_cast<std::int64_t>(v)))
      return static_cast<T>(v);
  }
  return std::nullopt;
}

}  // namespace monza
