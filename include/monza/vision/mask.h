// Which pixels belong to an object: masks made of a network's prototypes, and their outlines.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "monza/vision/boxes.h"

namespace monza::vision {

/// Pixels of a picture, row by row.
struct Mask {
  /// The pixels begin..end-1 of row y.
  struct Run {
    int y = 0, begin = 0, end = 0;
  };
  std::vector<Run> runs;  // from above, then from the left
  bool empty() const noexcept { return runs.empty(); }
  std::int64_t area() const noexcept;
};

/// What the masks of one picture are combined of: [channels, height, width], laid over the network's input.
struct Prototypes {
  std::span<const float> values;
  int channels = 0, height = 0, width = 0;
};

/// The pixels of the source, inside `detection`'s box (in pixels of the source), where the prototypes weighted by
/// `coefficients` [channels] and interpolated to the source's pixels are above 0. Throws Error when sizes disagree.
Mask decode_mask(const Prototypes& prototypes, std::span<const float> coefficients, const Detection& detection,
                 const Letterbox& box);

/// Around a part of a mask, through its outermost pixels, {x, y}; points on straight lines are left out.
using Outline = std::vector<std::array<int, 2>>;

/// One for each part whose pixels touch, corners included; the one around most pixels first.
std::vector<Outline> outlines(const Mask& mask);

}  // namespace monza::vision
