// Lines, letters and colours drawn into a picture.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "monza/vision/image.h"

namespace monza::vision {

using Color = std::array<std::uint8_t, 3>;  // R, G, B

/// A colour of its own for each class: neighbouring numbers are far apart in hue.
Color class_color(int class_id) noexcept;

/// Size in pixels of `text` at `scale` times the font's 6x10 cell.
std::array<int, 2> text_extent(std::string_view text, int scale) noexcept;

/// Printable ASCII; any other byte is drawn as a box, an UTF-8 sequence as one. What lies outside the picture is cut
/// off.
void draw_text(Image& image, int x, int y, std::string_view text, Color color, int scale) noexcept;
void fill_rectangle(Image& image, int x1, int y1, int x2, int y2, Color color) noexcept;
/// A frame whose outer edge is the rectangle [x1, x2) x [y1, y2).
void draw_frame(Image& image, int x1, int y1, int x2, int y2, Color color, int thickness) noexcept;

/// Black or white, whichever stands out.
Color ink_on(Color plate) noexcept;
/// Between two places inside or near the picture.
void draw_line(Image& image, float x1, float y1, float x2, float y2, Color color, int thickness) noexcept;
void fill_circle(Image& image, float cx, float cy, int radius, Color color) noexcept;

}  // namespace monza::vision
