#include "monza/vision/draw.h"

#include <algorithm>
#include <cmath>

#include "vision/font.h"

namespace monza::vision {
namespace {

/// The bytes of one UTF-8 sequence after the first draw nothing.
bool continues_sequence(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

Color class_color(int class_id) noexcept {
  // Steps of the golden ratio around the colour circle never come close to an earlier hue; brightness alternates.
  const double turn = std::max(class_id, 0) * 0.6180339887498949;
  const double hue = (turn - std::floor(turn)) * 6;
  const double peak = class_id % 2 == 0 ? 235 : 190;
  const auto channel = [&](double centre) {
    double away = std::abs(hue - centre);
    away = std::min(away, 6 - away);
    return static_cast<std::uint8_t>(std::lround(peak * (0.12 + 0.88 * std::clamp(2 - away, 0.0, 1.0))));
  };
  return {channel(0), channel(2), channel(4)};
}

std::array<int, 2> text_extent(std::string_view text, int scale) noexcept {
  const auto letters = std::count_if(text.begin(), text.end(), [](char c) { return !continues_sequence(c); });
  return {static_cast<int>(letters) * font::cell_width * scale, font::cell_height * scale};
}

void fill_rectangle(Image& image, int x1, int y1, int x2, int y2, Color color) noexcept {
  x1 = std::max(x1, 0), y1 = std::max(y1, 0);
  x2 = std::min(x2, image.width), y2 = std::min(y2, image.height);
  for (int y = y1; y < y2; ++y) {
    std::uint8_t* pixel = image.row(y) + 3 * x1;
    for (int x = x1; x < x2; ++x, pixel += 3) std::copy(color.begin(), color.end(), pixel);
  }
}

void draw_frame(Image& image, int x1, int y1, int x2, int y2, Color color, int thickness) noexcept {
  fill_rectangle(image, x1, y1, x2, std::min(y1 + thickness, y2), color);
  fill_rectangle(image, x1, std::max(y2 - thickness, y1), x2, y2, color);
  fill_rectangle(image, x1, y1, std::min(x1 + thickness, x2), y2, color);
  fill_rectangle(image, std::max(x2 - thickness, x1), y1, x2, y2, color);
}

void draw_text(Image& image, int x, int y, std::string_view text, Color color, int scale) noexcept {
  for (const char c : text) {
    if (continues_sequence(c)) continue;
    const font::Glyph& rows = font::glyph(c);
    for (int row = 0; row < font::glyph_height; ++row) {
      for (int column = 0; column < font::glyph_width; ++column) {
        if (!(rows[static_cast<std::size_t>(row)] >> (font::glyph_width - 1 - column) & 1)) continue;
        const int left = x + column * scale, top = y + row * scale;
        fill_rectangle(image, left, top, left + scale, top + scale, color);
      }
    }
    x += font::cell_width * scale;
  }
}

Color ink_on(Color plate) noexcept {
  const int brightness = (plate[0] * 299 + plate[1] * 587 + plate[2] * 114) / 1000;  // as it is perceived
  return brightness > 120 ? Color{0, 0, 0} : Color{255, 255, 255};
}

void draw_line(Image& image, float x1, float y1, float x2, float y2, Color color, int thickness) noexcept {
  const float steps = std::max({std::abs(x2 - x1), std::abs(y2 - y1), 1.0F});
  // Beyond the picture there is nothing to draw, and a line from far away would take its time.
  if (!(steps < 1e6F)) return;
  for (int i = 0; i <= static_cast<int>(steps); ++i) {
    const float part = static_cast<float>(i) / steps;
    const int x = static_cast<int>(std::lround(x1 + (x2 - x1) * part)) - thickness / 2;
    const int y = static_cast<int>(std::lround(y1 + (y2 - y1) * part)) - thickness / 2;
    fill_rectangle(image, x, y, x + thickness, y + thickness, color);
  }
}

void fill_circle(Image& image, float cx, float cy, int radius, Color color) noexcept {
  const int x = static_cast<int>(std::lround(cx)), y = static_cast<int>(std::lround(cy));
  for (int dy = -radius; dy <= radius; ++dy) {
    const int half = static_cast<int>(std::sqrt(static_cast<double>(radius * radius - dy * dy)));
    fill_rectangle(image, x - half, y + dy, x + half + 1, y + dy + 1, color);
  }
}

}  // namespace monza::vision
