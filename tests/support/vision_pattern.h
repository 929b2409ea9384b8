// The picture that tests/data/vision/make_fixtures.py draws by the same formula, and helpers of the vision tests.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>

#include "monza/vision/image.h"
#include "support/data.h"

namespace monza::vision::test {

inline Image pattern(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int check = (x / 5 + y / 7) % 2 * 90;
      const int rgb[3] = {(x * 3 + y) % 160 + check, (x + y * 2) % 160 + check, (x * y / 8) % 160 + check};
      for (int c = 0; c < 3; ++c) image.row(y)[3 * x + c] = static_cast<std::uint8_t>(rgb[c]);
    }
  }
  return image;
}

inline Image fixture_image(const std::string& name) { return load_image(monza::test::fixture("vision/" + name)); }

/// The largest difference of a sample, or 256 when the sizes differ.
inline int max_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return 256;
  int worst = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) worst = std::max(worst, std::abs(a.pixels[i] - b.pixels[i]));
  return worst;
}

}  // namespace monza::vision::test
