// JSON appended to a string: answers are written in one pass, without a tree.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace monza::serve {

/// A string with its quotes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

template <typename T>
void append_number(std::string& out, T value) {
  const fmt::format_int digits(value);
  out.append(digits.data(), digits.size());
}

/// [1,3,640]: of any list of integers.
template <typename List>
void append_json_list(std::string& out, const List& values) {
  out += '[';
  bool first = true;
  for (const auto value : values) {
    if (!first) out += ',';
    append_number(out, value);
    first = false;
  }
  out += ']';
}

/// {"error":"..."}: what every refusal looks like in KServe v2.
inline std::string error_json(std::string_view text) {
  std::string out = "{\"error\":";
  append_json_string(out, text);
  return out += '}';
}

}  // namespace monza::serve
