#include "jinja/texts.h"

#include <algorithm>
#include <unordered_map>

#include "base/utf8.h"
#include "text/unicode.h"

namespace monza::jinja {
namespace {

using text::character_at;
using text::Unicode;

/// Capitals of small letters: lower case the other way round, where it is one character to one.
const std::unordered_map<char32_t, char32_t>& capitals() {
  static const std::unordered_map<char32_t, char32_t> all = [] {
    std::unordered_map<char32_t, char32_t> made;
    std::string small;
    for (char32_t c = 0; c < 0x1F000; ++c) {
      if (!Unicode::get().in(c, 1u << text::Lu)) continue;
      small.clear();
      Unicode::get().append_lower(small, c);
      if (utf8_bytes(small) == small.size()) made.emplace(utf8_code(small), c);
    }
    made[0x131] = 'I', made[0x17F] = 'S';
    return made;
  }();
  return all;
}

void append_upper(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (c == 0xDF) {
    out += "SS";
  } else {
    const auto at = capitals().find(c);
    append_utf8(out, at == capitals().end() ? c : at->second);
  }
}

template <typename Each>
void each_character(std::string_view text, const Each& each) {
  for (std::size_t at = 0; at < text.size();) {
    const auto c = character_at(text, at);
    each(c.code);
    at += c.bytes;
  }
}

bool in_set(std::string_view set, std::string_view character) {
  if (set.empty()) return text::is_space(utf8_code(character));
  for (std::size_t at = 0; at < set.size();) {
    const std::size_t bytes = character_at(set, at).bytes;
    if (set.substr(at, bytes) == character) return true;
    at += bytes;
  }
  return false;
}

std::vector<std::string> words(std::string_view text, std::int64_t most, bool from_right) {
  std::vector<std::string> parts;
  for (;;) {
    text = from_right ? text.substr(0, stripped(text, "", false, true).size())
                      : text.substr(text.size() - stripped(text, "", true, false).size());
    if (text.empty()) break;
    if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
      parts.emplace_back(text);
      break;
    }
    std::size_t end = from_right ? text.size() : 0;
    if (from_right) {
      while (end > 0 && !text::is_space(character_at(text, text::before(text, end)).code))
        end = text::before(text, end);
      parts.emplace_back(text.substr(end));
      text = text.substr(0, end);
    } else {
      while (end < text.size() && !text::is_space(character_at(text, end).code)) end += character_at(text, end).bytes;
      parts.emplace_back(text.substr(0, end));
      text = text.substr(end);
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

std::string stripped(std::string_view text, std::string_view set, bool left, bool right) {
  while (left && !text.empty()) {
    const std::size_t bytes = character_at(text, 0).bytes;
    if (!in_set(set, text.substr(0, bytes))) break;
    text = text.substr(bytes);
  }
  while (right && !text.empty()) {
    const std::size_t at = text::before(text, text.size());
    if (!in_set(set, text.substr(at))) break;
    text = text.substr(0, at);
  }
  return std::string(text);
}

std::string upper(std::string_view text) {
  std::string out;
  each_character(text, [&](char32_t c) { append_upper(out, c); });
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  each_character(text, [&](char32_t c) { Unicode::get().append_lower(out, c); });
  return out;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  const std::size_t first = character_at(text, 0).bytes;
  return upper(text.substr(0, first)) + lower(text.substr(first));
}

std::string titled(std::string_view text) {
  std::string out;
  bool inside = false;
  each_character(text, [&](char32_t c) {
    const bool letter = Unicode::get().in(c, text::kLetters);
    if (letter && !inside) append_upper(out, c);
    else Unicode::get().append_lower(out, c);
    inside = letter;
  });
  return out;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to, std::int64_t count) {
  std::string out;
  std::size_t at = 0;
  for (; count != 0; --count) {
    const std::size_t found = text.find(from, at);
    if (found == text.npos) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (!from.empty()) continue;
    // Nothing is found before every character, and at the end.
    if (at >= text.size()) return out;
    const std::size_t bytes = character_at(text, at).bytes;
    out += text.substr(at, bytes);
    at += bytes;
  }
  return out += text.substr(at);
}

std::vector<std::string> split(std::string_view text, std::string_view separator, std::int64_t most, bool from_right) {
  if (separator.empty()) return words(text, most, from_right);
  std::vector<std::string> parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == text.npos) break;
    parts.emplace_back(from_right ? text.substr(at + separator.size()) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.emplace_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\n\r");
    all.emplace_back(text.substr(0, end));
    if (end == text.npos) break;
    text = text.substr(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  return all;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&#34;";
    else if (c == '\'') out += "&#39;";
    else out += c;
  }
  return out;
}

}  // namespace monza::jinja
