// A bitmap font of 5x9 dots in cells of 6x10, printable ASCII, drawn for this project.
#pragma once

#include <array>
#include <cstdint>

namespace monza::vision::font {

constexpr int glyph_width = 5;
constexpr int glyph_height = 9;  // 7 above the base line, 2 below
constexpr int cell_width = 6;
constexpr int cell_height = 10;

/// Rows of a glyph from the top; bit 4 is the leftmost dot.
using Glyph = std::array<std::uint8_t, glyph_height>;

/// The glyph of a printable ASCII character, or an empty box for any other.
const Glyph& glyph(char c) noexcept;

}  // namespace monza::vision::font
