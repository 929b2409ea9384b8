// Shapes, sizes and assignments as the command line spells them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "eval/tensors.h"

namespace monza::tool {

/// "1x3x224x224" (or with commas; "" is a scalar; "-1" and "?" leave a dimension open). Throws UsageError.
std::vector<std::int64_t> parse_extents(const std::string& text);
using eval::extents_text;
/// "1500000", "300K", "256M" or "2G", in units of 1024. Throws UsageError.
std::int64_t parse_bytes(const std::string& text, const char* option);
/// The same the other way: "256M", or bytes where no unit fits.
std::string size_text(std::int64_t bytes);
/// A number above 0. Throws UsageError.
std::int64_t parse_count(const std::string& text, const char* option);
/// Splits NAME=VALUE at the last '=', because names of inputs may hold one.
std::pair<std::string, std::string> split_assignment(const std::string& text, const char* option);

}  // namespace monza::tool
