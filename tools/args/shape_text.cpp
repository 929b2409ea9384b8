#include "tools/args/shape_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "tools/args/usage_error.h"

namespace monza::tool {

std::vector<std::int64_t> parse_extents(const std::string& text) {
  std::vector<std::int64_t> extents;
  if (text.empty() || text == "scalar") return extents;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find_first_of("x,", at), text.size());
    const std::string part = text.substr(at, end - at);
    std::int64_t value = -1;
    if (part != "?" && part != "-1") {
      const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), value);
      if (part.empty() || error != std::errc() || stop != part.data() + part.size() || value < 0)
        throw UsageError(
            message("'{}' is no shape: '{}' is no extent\n  try: a shape such as 1x3x224x224", text, part));
    }
    extents.push_back(value);
    at = end + 1;
  }
  return extents;
}

std::int64_t parse_bytes(const std::string& text, const char* option) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(stop, text.data() + text.size());
  int shift = -1;
  if (unit.empty()) shift = 0;
  for (const auto& [name, bits] : {std::pair("K", 10), std::pair("M", 20), std::pair("G", 30), std::pair("T", 40)})
    if (unit == name) shift = bits;
  if (error != std::errc() || value < 1 || shift < 0 || value > (INT64_MAX >> shift))
    throw UsageError(message("{} '{}' is no size\n  try: bytes, or 512K, 256M, 2G", option, text));
  return value << shift;
}

std::string size_text(std::int64_t bytes) {
  for (const auto& [name, bits] : {std::pair("T", 40), std::pair("G", 30), std::pair("M", 20), std::pair("K", 10)})
    if (bytes > 0 && bytes % (std::int64_t{1} << bits) == 0) return std::to_string(bytes >> bits) + name;
  return std::to_string(bytes);
}

std::int64_t parse_count(const std::string& text, const char* option) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || value < 1)
    throw UsageError(message("{} '{}' is no number above 0", option, text));
  return value;
}

std::pair<std::string, std::string> split_assignment(const std::string& text, const char* option) {
  const std::size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0)
    throw UsageError(message("{} '{}' is not of the form NAME=VALUE", option, text));
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace monza::tool
