// Outlines of masks: the first pixel of a part, by rows, lies on its border, which is followed around; then the part is
// taken away.
#include <algorithm>
#include <limits>

#include "monza/vision/mask.h"

namespace monza::vision {
namespace {

/// The eight neighbours in turn, from the left one over the one above.
constexpr std::array<std::array<int, 2>, 8> around = {
    {{-1, 0}, {-1, -1}, {0, -1}, {1, -1}, {1, 0}, {1, 1}, {0, 1}, {-1, 1}}};

/// The pixels of a mask in a grid with a border of empty ones.
class Grid {
 public:
  explicit Grid(const Mask& mask) {
    int right = 0;
    left_ = std::numeric_limits<int>::max();
    for (const Mask::Run& run : mask.runs) left_ = std::min(left_, run.begin), right = std::max(right, run.end);
    top_ = mask.runs.front().y;
    width_ = right - left_ + 2;
    cells_.resize(static_cast<std::size_t>(width_) * static_cast<std::size_t>(mask.runs.back().y - top_ + 3));
    for (const Mask::Run& run : mask.runs)
      std::fill_n(cells_.begin() + static_cast<std::ptrdiff_t>(index(run.begin, run.y)), run.end - run.begin, 1);
  }
  bool inside(int x, int y) const { return cells_[index(x, y)] != 0; }

  /// Around the part that has its first pixel here.
  Outline follow(int x, int y) const {
    Outline points;
    const int x0 = x, y0 = y;
    int back = 0;               // towards the empty neighbour that the search came from
    int came = -1, first = -1;  // the steps to this pixel and from the first one
    do {
      int step = -1;
      for (int k = 1; k <= 8; ++k) {
        const int d = (back + k) % 8;
        if (inside(x + around[static_cast<std::size_t>(d)][0], y + around[static_cast<std::size_t>(d)][1])) {
          step = d;
          break;
        }
      }
      if (step < 0) return {{x, y}};  // a pixel by itself
      if (first < 0) first = step;
      else if (x == x0 && y == y0 && step == first) {
        if (came == first && points.size() > 1) points.erase(points.begin());  // the first one lies on a line
        return points;
      }
      if (step != came) points.push_back({x, y});
      came = step;
      x += around[static_cast<std::size_t>(step)][0], y += around[static_cast<std::size_t>(step)][1];
      // Looking on from the neighbour of the new pixel that was empty just before: two steps back, or one on corners.
      back = (step + (step % 2 == 0 ? 6 : 5)) % 8;
    } while (true);
  }

  /// Takes away the part that touches this pixel; how many pixels it has.
  std::int64_t remove(int x, int y) {
    std::int64_t count = 0;
    std::vector<std::array<int, 2>> waiting = {{x, y}};
    cells_[index(x, y)] = 0;
    while (!waiting.empty()) {
      const auto [px, py] = waiting.back();
      waiting.pop_back();
      ++count;
      for (const auto& [dx, dy] : around) {
        if (!inside(px + dx, py + dy)) continue;
        cells_[index(px + dx, py + dy)] = 0;
        waiting.push_back({px + dx, py + dy});
      }
    }
    return count;
  }

 private:
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y - top_ + 1) * static_cast<std::size_t>(width_) +
           static_cast<std::size_t>(x - left_ + 1);
  }
  int left_ = 0, top_ = 0, width_ = 0;
  std::vector<std::uint8_t> cells_;
};

}  // namespace

std::vector<Outline> outlines(const Mask& mask) {
  if (mask.empty()) return {};
  Grid grid(mask);
  struct Part {
    Outline outline;
    std::int64_t pixels;
  };
  std::vector<Part> parts;
  for (const Mask::Run& run : mask.runs)
    for (int x = run.begin; x < run.end; ++x)
      if (grid.inside(x, run.y)) {
        Outline outline = grid.follow(x, run.y);
        parts.push_back({std::move(outline), grid.remove(x, run.y)});
      }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.pixels > b.pixels; });
  std::vector<Outline> found;
  for (Part& part : parts) found.push_back(std::move(part.outline));
  return found;
}

}  // namespace monza::vision
