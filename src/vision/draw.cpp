#include "vision/draw.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "vision/font.h"
#include "vision/labels.h"

namespace monza::vision {
namespace {

/// The bytes of one UTF-8 sequence after the first draw nothing.
bool continues_sequence(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

int to_pixel(float v, int limit) noexcept {
  return static_cast<int>(std::lround(std::clamp(v, 0.0F, static_cast<float>(limit))));
}

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

void draw_detections(Image& image, std::span<const Detection> detections, const std::vector<std::string>& labels) {
  const int side = std::max(image.width, image.height);
  const int scale = std::max(1, (side + 200) / 500);
  const int thickness = std::max(2, side / 320);
  std::vector<Detection> order(detections.begin(), detections.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const Detection& a, const Detection& b) { return a.score < b.score; });
  for (const Detection& d : order) {
    const Color color = class_color(d.class_id);
    const int x1 = to_pixel(d.x1, image.width), y1 = to_pixel(d.y1, image.height);
    const int x2 = to_pixel(d.x2, image.width), y2 = to_pixel(d.y2, image.height);
    draw_frame(image, x1, y1, x2, y2, color, thickness);

    const std::string text = fmt::format("{} {:.2f}", label_of(labels, d.class_id), d.score);
    const auto [width, height] = text_extent(text, scale);
    const int plate_width = width + 2 * scale, plate_height = height + scale;
    const int left = std::clamp(x1, 0, std::max(image.width - plate_width, 0));
    const int top = y1 >= plate_height ? y1 - plate_height : y1;
    fill_rectangle(image, left, top, left + plate_width, top + plate_height, color);
    // Black or white, whichever stands out from the plate, by its perceived brightness.
    const int brightness = (color[0] * 299 + color[1] * 587 + color[2] * 114) / 1000;
    const Color ink = brightness > 120 ? Color{0, 0, 0} : Color{255, 255, 255};
    draw_text(image, left + scale + scale / 2, top + scale, text, ink, scale);
  }
}

}  // namespace monza::vision
