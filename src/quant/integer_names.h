// The names of 8-bit values in a graph: that of the floats they stand for, marked.
#pragma once

#include <string>
#include <string_view>

namespace monza::quant {

inline constexpr std::string_view kIntegers = "/integers";

/// "" of a value without a name.
inline std::string integers_name(std::string_view value) {
  return value.empty() ? std::string() : std::string(value) + std::string(kIntegers);
}
/// The name of what an 8-bit value stands for; "" where it is not named by integers_name.
inline std::string_view floats_name(std::string_view integers) {
  return integers.ends_with(kIntegers) ? integers.substr(0, integers.size() - kIntegers.size()) : std::string_view();
}

}  // namespace monza::quant
