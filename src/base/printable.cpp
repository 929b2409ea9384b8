#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace monza {
namespace {

/// Controls (C0, DEL, C1), separators of lines, and marks that change the direction of writing.
bool steers(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

bool is_plain(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

/// Calls escape(out, code, bytes) for what must not be printed; `code` is that of a byte where it is no UTF-8.
template <typename Escape>
std::string escaped(std::string_view text, bool keep_lines, Escape&& escape) {
  if (is_plain(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t n = utf8_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(n, 1));
    const char32_t code = n == 0 ? static_cast<unsigned char>(text[0]) : utf8_code(character);
    if ((n > 0 && !steers(code)) || (keep_lines && code == '\n')) out += character;
    else escape(out, code, n);
    text.remove_prefix(character.size());
  }
  return out;
}

void escape_for_people(std::string& out, char32_t code, std::size_t bytes) {
  const auto number = static_cast<std::uint32_t>(code);
  if (code == '\n') out += "\\n";
  else if (code == '\r') out += "\\r";
  else if (code == '\t') out += "\\t";
  else out += bytes > 1 ? fmt::format("\\u{:04x}", number) : fmt::format("\\x{:02x}", number);
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, false, escape_for_people); }
std::string printable_lines(std::string_view text) { return escaped(text, true, escape_for_people); }
std::string printable_json(std::string_view json) {
  return escaped(json, true, [](std::string& out, char32_t code, std::size_t bytes) {
    out += bytes == 0 ? std::string("\\ufffd") : fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
  });
}

}  // namespace monza

fmt::format_context::iterator fmt::formatter<monza::Printable>::format(monza::Printable value,
                                                                       fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(monza::printable(value.text), context);
}
fmt::format_context::iterator fmt::formatter<monza::Lines>::format(monza::Lines value,
                                                                   fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(monza::printable_lines(value.text), context);
}
