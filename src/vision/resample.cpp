// Antialiased resize and the input of classifiers. Pillow's arithmetic is followed to the bit, because classifiers are
// trained and scored behind it: a triangle filter that widens with the reduction, weights rounded to 22 bits, the
// horizontal pass rounded to 8 bits before the vertical one.
#include "monza/vision/preprocess.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace monza::vision {
namespace {

constexpr int weight_bits = 22;  // 32 less 8 for the sample and 2 for the sum of overshooting weights

struct Filter {
  std::vector<int> first;             // [out] first source sample
  std::vector<int> count;             // [out] how many
  std::vector<std::int32_t> weights;  // [out, taps]
  int taps = 0;
};

// The filter for output samples [begin, end) of `out` samples over `in`.
Filter make_filter(int in, int out, int begin, int end) {
  const double scale = static_cast<double>(in) / out;
  const double widen = std::max(scale, 1.0);  // the triangle's half width in source samples
  Filter f;
  f.taps = static_cast<int>(std::ceil(widen)) * 2 + 1;
  const auto samples = static_cast<std::size_t>(end - begin);
  f.first.resize(samples), f.count.resize(samples);
  f.weights.assign(samples * static_cast<std::size_t>(f.taps), 0);
  std::vector<double> exact(static_cast<std::size_t>(f.taps));
  for (std::size_t i = 0; i < samples; ++i) {
    const double centre = (begin + static_cast<int>(i) + 0.5) * scale;
    const int from = std::max(static_cast<int>(centre - widen + 0.5), 0);
    const int to = std::min(static_cast<int>(centre + widen + 0.5), in);
    double sum = 0;
    for (int k = from; k < to; ++k) {
      const double w = std::max(0.0, 1.0 - std::abs((k - centre + 0.5) / widen));
      exact[static_cast<std::size_t>(k - from)] = w;
      sum += w;
    }
    f.first[i] = from, f.count[i] = to - from;
    for (int k = 0; k < to - from; ++k) {
      const double w = sum != 0 ? exact[static_cast<std::size_t>(k)] / sum : 0;
      f.weights[i * static_cast<std::size_t>(f.taps) + static_cast<std::size_t>(k)] =
          static_cast<std::int32_t>(w * (1 << weight_bits) + 0.5);
    }
  }
  return f;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255)); }

struct Window {
  int x, y, width, height;
};

// The part `window` of `image` resized to width x height.
Image resize_window(const Image& image, int width, int height, const Window& window) {
  const Filter across = make_filter(image.width, width, window.x, window.x + window.width);
  const Filter down = make_filter(image.height, height, window.y, window.y + window.height);
  const int first_row = down.first.front();
  const int last_row = down.first.back() + down.count.back();
  constexpr std::int32_t half = 1 << (weight_bits - 1);

  Image narrow(window.width, last_row - first_row);
  for (int y = 0; y < narrow.height; ++y) {
    const std::uint8_t* from = image.row(first_row + y);
    std::uint8_t* to = narrow.row(y);
    for (std::size_t x = 0; x < across.first.size(); ++x, to += 3) {
      const std::int32_t* weights = across.weights.data() + x * static_cast<std::size_t>(across.taps);
      const std::uint8_t* sample = from + 3 * across.first[x];
      std::int32_t r = half, g = half, b = half;
      for (int k = 0; k < across.count[x]; ++k, sample += 3) {
        r += sample[0] * weights[k];
        g += sample[1] * weights[k];
        b += sample[2] * weights[k];
      }
      to[0] = to_byte(r), to[1] = to_byte(g), to[2] = to_byte(b);
    }
  }
  Image out(window.width, window.height);
  std::vector<std::int32_t> sums(out.stride());
  for (int y = 0; y < out.height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    std::fill(sums.begin(), sums.end(), half);
    for (int k = 0; k < down.count[i]; ++k) {
      const std::uint8_t* from = narrow.row(down.first[i] - first_row + k);
      const std::int32_t weight = down.weights[i * static_cast<std::size_t>(down.taps) + static_cast<std::size_t>(k)];
      for (std::size_t x = 0; x < sums.size(); ++x) sums[x] += from[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.row(y), to_byte);
  }
  return out;
}

Image resize_and_crop(const Image& image, const ClassifyGeometry& g) {
  if (image.empty()) fail("an empty picture cannot be classified");
  if (g.resize < 0 || g.crop_width < 1 || g.crop_height < 1)
    fail("resize {} and crop {}x{} make no input", g.resize, g.crop_width, g.crop_height);
  int width = image.width, height = image.height;
  if (g.resize > 0) {
    const std::int64_t short_side = std::min(width, height), long_side = std::max(width, height);
    const std::int64_t scaled = long_side * g.resize / short_side;
    if (scaled > 1 << 20) fail("a {}x{} picture is too narrow to resize its short side to {}", width, height, g.resize);
    (width <= height ? width : height) = g.resize;
    (image.width <= image.height ? height : width) = static_cast<int>(scaled);
  }
  // Where the crop starts; negative when the picture is smaller, with the rest of an odd padding to the right and
  // below.
  const auto start = [](int size, int crop) {
    return size < crop ? -((crop - size) / 2) : static_cast<int>(std::nearbyint((size - crop) / 2.0));
  };
  const int x0 = start(width, g.crop_width), y0 = start(height, g.crop_height);
  const Window window = {std::max(x0, 0), std::max(y0, 0), std::min(g.crop_width, width),
                         std::min(g.crop_height, height)};
  Image inner = resize_window(image, width, height, window);
  if (inner.width == g.crop_width && inner.height == g.crop_height) return inner;
  Image out(g.crop_width, g.crop_height);
  for (int y = 0; y < inner.height; ++y)
    std::copy_n(inner.row(y), inner.stride(), out.row(y - std::min(y0, 0)) + 3 * -std::min(x0, 0));
  return out;
}

}  // namespace

Image resize_antialiased(const Image& image, int width, int height) {
  if (image.empty() || width < 1 || height < 1)
    fail("cannot resize a {}x{} picture to {}x{}", image.width, image.height, width, height);
  return resize_window(image, width, height, {0, 0, width, height});
}

void classify_input(const Image& image, const ClassifyGeometry& geometry, const Normalization& normalization,
                    std::span<float> out) {
  write_tensor(resize_and_crop(image, geometry), normalization, out);
}

void classify_input(const Image& image, const ClassifyGeometry& geometry, const Normalization& normalization,
                    std::span<std::uint8_t> out) {
  write_tensor(resize_and_crop(image, geometry), normalization, out);
}

}  // namespace monza::vision
