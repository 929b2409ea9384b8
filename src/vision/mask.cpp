#include "monza/vision/mask.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace monza::vision {
namespace {

/// Where a source's pixels of one axis lie between two neighbours of the prototypes.
struct Taps {
  std::vector<int> low;       // high is low + 1, or low at the end
  std::vector<float> weight;  // of high
  int first = 0, count = 0;   // the prototypes' cells that are needed
};

/// Of the pixels begin..end-1, whose centres are taken to the input, which has `cells` cells over `input` pixels.
Taps taps_of(int begin, int end, int offset, double inner_over_source, int input, int cells) {
  Taps taps;
  int last = 0;
  for (int i = begin; i < end; ++i) {
    const double in_input = offset + (i + 0.5) * inner_over_source;
    const double at = std::clamp(in_input * cells / input - 0.5, 0.0, static_cast<double>(cells - 1));
    const int low = static_cast<int>(at);
    taps.low.push_back(low);
    taps.weight.push_back(static_cast<float>(at - low));
    last = std::min(low + 1, cells - 1);
  }
  taps.first = taps.low.empty() ? 0 : taps.low.front();
  taps.count = taps.low.empty() ? 0 : last - taps.first + 1;
  return taps;
}

/// The weighted sum of the prototypes over the cells that the taps need, [down.count, across.count].
std::vector<float> combine(const Prototypes& p, std::span<const float> coefficients, const Taps& across,
                           const Taps& down) {
  const auto width = static_cast<std::size_t>(across.count);
  std::vector<float> sum(static_cast<std::size_t>(down.count) * width);
  for (int c = 0; c < p.channels; ++c)
    for (int y = 0; y < down.count; ++y) {
      const auto row =
          static_cast<std::size_t>(c) * static_cast<std::size_t>(p.height) + static_cast<std::size_t>(down.first + y);
      const float* from = p.values.data() + row * static_cast<std::size_t>(p.width) + across.first;
      float* to = sum.data() + static_cast<std::size_t>(y) * width;
      const float factor = coefficients[static_cast<std::size_t>(c)];
      for (std::size_t x = 0; x < width; ++x) to[x] += factor * from[x];
    }
  return sum;
}

/// The pixels begin..end-1 of an axis whose numbers are not less than `from` and less than `to`.
std::array<int, 2> pixels_between(float from, float to, int limit) {
  const auto first = [&](float v) { return std::clamp(static_cast<int>(std::ceil(v)), 0, limit); };
  return {first(from), std::max(first(from), first(to))};
}

}  // namespace

std::int64_t Mask::area() const noexcept {
  std::int64_t pixels = 0;
  for (const Run& run : runs) pixels += run.end - run.begin;
  return pixels;
}

Mask decode_mask(const Prototypes& p, std::span<const float> coefficients, const Detection& detection,
                 const Letterbox& box) {
  const bool sized = p.channels > 0 && p.height > 0 && p.width > 0;
  if (!sized || coefficients.size() != static_cast<std::size_t>(p.channels) ||
      p.values.size() != coefficients.size() * static_cast<std::size_t>(p.height) * static_cast<std::size_t>(p.width))
    fail("{} values and {} coefficients are no prototypes of {}x{}x{}", p.values.size(), coefficients.size(),
         p.channels, p.height, p.width);
  const auto [left, right] = pixels_between(detection.x1, detection.x2, box.source_width);
  const auto [top, bottom] = pixels_between(detection.y1, detection.y2, box.source_height);
  Mask mask;
  if (left == right || top == bottom) return mask;
  const Taps across =
      taps_of(left, right, box.left, static_cast<double>(box.inner_width) / box.source_width, box.input_width, p.width);
  const Taps down = taps_of(top, bottom, box.top, static_cast<double>(box.inner_height) / box.source_height,
                            box.input_height, p.height);
  const std::vector<float> cells = combine(p, coefficients, across, down);
  const auto width = static_cast<std::size_t>(across.count);
  std::vector<float> row(width);  // the cells between two rows
  for (int y = top; y < bottom; ++y) {
    const auto at = static_cast<std::size_t>(y - top);
    const auto low = static_cast<std::size_t>(down.low[at] - down.first);
    const std::size_t high = std::min(low + 1, static_cast<std::size_t>(down.count) - 1);
    for (std::size_t x = 0; x < width; ++x)
      row[x] = cells[low * width + x] + (cells[high * width + x] - cells[low * width + x]) * down.weight[at];
    int begin = -1;
    for (int x = left; x <= right; ++x) {
      bool inside = false;
      if (x < right) {
        const auto column = static_cast<std::size_t>(x - left);
        const auto l = static_cast<std::size_t>(across.low[column] - across.first), h = std::min(l + 1, width - 1);
        inside = row[l] + (row[h] - row[l]) * across.weight[column] > 0;
      }
      if (inside && begin < 0) begin = x;
      if (!inside && begin >= 0) mask.runs.push_back({y, std::exchange(begin, -1), x});
    }
  }
  return mask;
}

}  // namespace monza::vision
