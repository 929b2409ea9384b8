// JSON that the tool prints or writes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace monza::tool {

/// Objects keep the order of their keys.
using Json = nlohmann::ordered_json;

/// `value` as text, `indent` spaces a level, or on one line when it is below 0. Strings that are no UTF-8 (a name in a
/// model, a file's name) have their bytes replaced by U+FFFD; what could steer a terminal is escaped.
std::string json_text(const Json& value, int indent = 1);

/// The same, and a line feed, to standard output. Throws Error when it cannot be written.
void print_json(const Json& value, int indent = 1);

}  // namespace monza::tool
