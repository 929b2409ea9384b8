// The lattices of the IQ encodings: a point is the numbers of its coordinates' levels, the first in the lowest bits.
#pragma once

#include <cstdint>

namespace monza::blocks {

// Points of 8 coordinates, 2 bits each.
extern const std::uint16_t kGridIq2xxs[256], kGridIq2xs[512], kGridIq2s[1024], kGridIq1[2048];
// Points of 4 coordinates, 3 bits each.
extern const std::uint16_t kGridIq3xxs[256], kGridIq3s[512];

}  // namespace monza::blocks
