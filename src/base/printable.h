// Names and texts of strangers, made fit for a terminal and a log.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace monza {

/// `text` with all that could move a cursor, forge a line or change the order of what is read made visible: control
/// characters (\n, \t, \r, \x1b, \u009b), marks of writing direction and separators of lines (\u202e), and bytes that
/// are no UTF-8 (\xff). What it gives is left alone when it is given again.
std::string printable(std::string_view text);
/// The same for a text of several lines: line feeds stay.
std::string printable_lines(std::string_view text);
/// The same for JSON, whose strings may hold them: the characters are escaped as JSON escapes them, so that a parser
/// still reads the same.
std::string printable_json(std::string_view json);

/// A string in a message: formatted as printable(text).
struct Printable {
  std::string_view text;
};
/// A text of several lines that is set into a message on purpose: formatted as printable_lines(text).
struct Lines {
  std::string_view text;
};

/// Strings as Printable, all else as it is: what messages do to their arguments.
template <typename T>
decltype(auto) shown(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) return Printable{value};
  else return (value);
}
template <typename T>
using Shown = std::remove_cvref_t<decltype(shown(std::declval<const T&>()))>;

/// fmt::format whose string arguments are made printable: names cannot forge what the message says.
template <typename... Args>
std::string message(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  return [&](const auto&... all) { return fmt::vformat(format, fmt::make_format_args(all...)); }(shown(args)...);
}

}  // namespace monza

template <>
struct fmt::formatter<monza::Printable> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(monza::Printable value, fmt::format_context& context) const;
};
template <>
struct fmt::formatter<monza::Lines> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(monza::Lines value, fmt::format_context& context) const;
};
