// The values of JSON Schema's `format` as patterns.
#pragma once

#include <string_view>

namespace monza::grammar {

/// The pattern of a format's texts; "" for one that is known and cannot be held by a pattern; null for one that is not
/// in the standard and therefore says nothing.
const char* format_pattern(std::string_view format);

}  // namespace monza::grammar
