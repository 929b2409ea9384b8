// The query of a target: key=value, '&' between them.
#pragma once

#include <string_view>

namespace monza::pipelines {

/// The value of a key; `otherwise` where it is missing. Keys and values are taken as they were sent.
std::string_view query_value(std::string_view query, std::string_view key, std::string_view otherwise);
/// The same as a number from `least` to `most`. Throws RequestError 400.
double query_number(std::string_view query, std::string_view key, double otherwise, double least, double most);

}  // namespace monza::pipelines
