// What Python's texts can do that templates ask for; characters are code points.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace monza::jinja {

/// `text` without the characters of `set` (white space where it is empty) at its ends.
std::string stripped(std::string_view text, std::string_view set, bool left, bool right);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// The first letter large, others small.
std::string capitalized(std::string_view text);
/// The first letter of each word large, others small.
std::string titled(std::string_view text);
/// `count` below 0: all.
std::string replaced(std::string_view text, std::string_view from, std::string_view to, std::int64_t count);
/// Parts between `separator`, or between white space where it is empty; at most `most` cuts (below 0: all), from the
/// right where it says so.
std::vector<std::string> split(std::string_view text, std::string_view separator, std::int64_t most, bool from_right);
std::vector<std::string> lines(std::string_view text);

/// With HTML's special characters as entities.
std::string html_escaped(std::string_view text);

}  // namespace monza::jinja
