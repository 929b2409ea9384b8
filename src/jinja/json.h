// JSON in and out of templates, as Python's json module writes it.
#pragma once

#include <string>
#include <string_view>

#include "jinja/value.h"

namespace monza::jinja {

struct JsonStyle {
  bool ascii = false;   ///< other characters as \uXXXX
  bool sorted = false;  ///< keys in order
  int indent = -1;      ///< spaces a level, on lines of their own; below 0: all on one line
  std::string item_mark = ", ", key_mark = ": ";
};

/// Throws Error for what is no JSON: undefined values, namespaces, functions, and what filters go through lazily.
std::string write_json(const Value& value, const JsonStyle& style = {});
/// Throws Error where it is no JSON, or nested too deep.
Value read_json(std::string_view text);

}  // namespace monza::jinja
