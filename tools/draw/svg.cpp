#include "tools/draw/svg.h"

#include <fmt/core.h>

#include <cmath>
#include <iterator>
#include <vector>

#include "base/hash.h"
#include "base/utf8.h"

namespace monza::tool {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Calls f(character, valid) for each character.
template <typename F>
void each_character(std::string_view text, F&& f) {
  while (!text.empty()) {
    const std::size_t n = utf8_bytes(text);
    f(text.substr(0, n == 0 ? 1 : n), n != 0);
    text.remove_prefix(n == 0 ? 1 : n);
  }
}

std::string titled(std::string_view title) {
  return title.empty() ? std::string() : "<title>" + escape_markup(title) + "</title>";
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  each_character(text, [&](std::string_view c, bool valid) {
    const auto byte = static_cast<unsigned char>(c[0]);
    if (!valid || (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) out += kReplacement;
    else if (c == "&") out += "&amp;";
    else if (c == "<") out += "&lt;";
    else if (c == ">") out += "&gt;";
    else if (c == "\"") out += "&quot;";
    else if (c == "'") out += "&#39;";
    else out += c;
  });
  return out;
}

std::string shortened(std::string_view text, std::size_t most) {
  std::vector<std::string_view> characters;
  each_character(text, [&](std::string_view c, bool) { characters.push_back(c); });
  if (characters.size() <= most) return std::string(text);
  // The end of a node's name tells more than its begin.
  const std::size_t head = (most - 1) / 3, tail = most - 1 - head;
  std::string out;
  for (std::size_t i = 0; i < head; ++i) out += characters[i];
  out += "\xE2\x80\xA6";
  for (std::size_t i = characters.size() - tail; i < characters.size(); ++i) out += characters[i];
  return out;
}

void Svg::rect(double x, double y, double w, double h, std::string_view style, std::string_view title, double radius) {
  body_ += fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="{:.2f}" height="{:.2f}" rx="{:.0f}" style="{}">{}</rect>)"
                       "\n",
                       x, y, w, h, radius, style, titled(title));
}
void Svg::line(double x1, double y1, double x2, double y2, std::string_view style) {
  body_ += fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" style="{}"/>)"
                       "\n",
                       x1, y1, x2, y2, style);
}
void Svg::path(std::string_view d, std::string_view style) {
  body_ += fmt::format(R"(<path d="{}" style="{}"/>)"
                       "\n",
                       d, style);
}
void Svg::circle(double x, double y, double radius, std::string_view style, std::string_view title) {
  body_ += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" style="{}">{}</circle>)"
                       "\n",
                       x, y, radius, style, titled(title));
}
void Svg::text(double x, double y, std::string_view text, std::string_view style, const char* anchor) {
  body_ += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" style="{}">{}</text>)"
                       "\n",
                       x, y, anchor, style, escape_markup(text));
}

void Svg::begin_group(std::string_view name, std::string_view title) {
  body_ += fmt::format("<g class=\"{}\">{}\n", name, titled(title));
}

std::string Svg::str() const {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="system-ui,-apple-system,'Segoe UI',sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
{2}</svg>
)",
      std::ceil(width_), std::ceil(height_), body_);
}

double tick_step(double most, int count) {
  if (!(most > 0) || count < 1) return 1;
  const double raw = most / count, unit = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * unit * 1.0001) return factor * unit;
  return 10 * unit;
}

std::string colour_at(std::size_t number) {
  // Distinct, and light enough for dark text.
  static constexpr const char* kPalette[] = {"#9ecae9", "#ffbf79", "#a7d99a", "#f4a6a0", "#c9b3e6", "#d9bd9f",
                                             "#f2b7d6", "#c4c4c4", "#dbd97f", "#8fdbe0", "#b6c7ff", "#e8c4a0"};
  return kPalette[number % std::size(kPalette)];
}

std::string colour_of(std::string_view key) { return colour_at(hash64(key)); }

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace monza::tool
