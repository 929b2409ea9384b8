// Boxes and labels drawn into a picture.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vision/boxes.h"
#include "vision/image.h"

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

/// Each detection as a frame with "name score" above it, or inside where there is no room above. Lines and letters grow
/// with the picture. The best detections are drawn last, on top.
void draw_detections(Image& image, std::span<const Detection> detections, const std::vector<std::string>& labels);

}  // namespace monza::vision
