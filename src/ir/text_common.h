// What the printer and the parser of graph text share.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "ir/graph.h"

namespace monza::ir {

/// "text" with quotes, backslashes and control characters escaped.
std::string quote(std::string_view text);
/// A letter or underscore, then letters, digits, underscores and dots.
bool is_plain_name(std::string_view name);

}  // namespace monza::ir
