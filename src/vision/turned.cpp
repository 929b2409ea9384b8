#include "monza/vision/turned.h"

#include <algorithm>
#include <cmath>

namespace monza::vision {
namespace {

/// The distribution that a box is taken for: its centre and the covariance [[a, c], [c, b]].
struct Normal {
  float x, y, a, b, c;
};

constexpr float tiny = 1e-7F;

Normal normal_of(const TurnedBox& box) {
  // The variance of a uniform distribution over the side.
  const float across = box.width * box.width / 12, down = box.height * box.height / 12;
  const float cos = std::cos(box.angle), sin = std::sin(box.angle);
  return {box.cx, box.cy, across * cos * cos + down * sin * sin, across * sin * sin + down * cos * cos,
          (across - down) * cos * sin};
}

/// Bhattacharyya's distance; something above `enough` where it is more than that.
float distance(const Normal& p, const Normal& q, float enough) {
  const float a = p.a + q.a, b = p.b + q.b, c = p.c + q.c, x = q.x - p.x, y = p.y - q.y;
  const float determinant = a * b - c * c;
  const float apart = (a * y * y + b * x * x) / (determinant + tiny) * 0.25F + c * x * y / (determinant + tiny) * 0.5F;
  if (apart > enough + 1e-3F) return apart;  // the part below is not negative but for rounding
  const auto own = [](const Normal& n) { return std::max(n.a * n.b - n.c * n.c, 0.0F); };
  return apart + std::log(determinant / (4 * std::sqrt(own(p) * own(q)) + tiny) + tiny) * 0.5F;
}

/// The distance that stands for this likeness: 1 - sqrt(1 - exp(-distance)), solved.
float distance_of(float iou) { return -std::log(std::max(1 - (1 - iou) * (1 - iou), 1e-30F)); }

}  // namespace

std::array<Point, 4> TurnedBox::corners() const noexcept {
  const float cos = std::cos(angle), sin = std::sin(angle);
  const float ux = width / 2 * cos, uy = width / 2 * sin, vx = -height / 2 * sin, vy = height / 2 * cos;
  return {Point{cx + ux + vx, cy + uy + vy}, Point{cx + ux - vx, cy + uy - vy}, Point{cx - ux - vx, cy - uy - vy},
          Point{cx - ux + vx, cy - uy + vy}};
}

float probabilistic_iou(const TurnedBox& a, const TurnedBox& b) noexcept {
  const float d = std::clamp(distance(normal_of(a), normal_of(b), 100), tiny, 100.0F);
  return 1 - std::sqrt(1 - std::exp(-d) + tiny);
}

std::vector<TurnedCandidate> suppress_turned(std::vector<TurnedCandidate> candidates, const NmsOptions& options) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.box.score > b.box.score; });
  if (candidates.size() > static_cast<std::size_t>(std::max(options.max_candidates, 0)))
    candidates.resize(static_cast<std::size_t>(std::max(options.max_candidates, 0)));
  int classes = 0;
  for (const TurnedCandidate& c : candidates) classes = std::max(classes, c.box.class_id + 1);
  std::vector<std::vector<Normal>> better(static_cast<std::size_t>(classes));  // by class
  const float near = distance_of(options.iou);
  std::vector<TurnedCandidate> kept;
  for (const TurnedCandidate& c : candidates) {
    if (kept.size() >= static_cast<std::size_t>(std::max(options.max_detections, 0))) break;
    auto& rivals = better[static_cast<std::size_t>(c.box.class_id)];
    const Normal normal = normal_of(c.turned);
    const bool dropped =
        std::any_of(rivals.begin(), rivals.end(), [&](const Normal& r) { return distance(r, normal, near) < near; });
    rivals.push_back(normal);
    if (!dropped) kept.push_back(c);
  }
  return kept;
}

TurnedBox to_source(const TurnedBox& turned, const Letterbox& box) noexcept {
  const auto scale = static_cast<float>(box.scale);
  return {(turned.cx - static_cast<float>(box.left)) / scale, (turned.cy - static_cast<float>(box.top)) / scale,
          turned.width / scale, turned.height / scale, turned.angle};
}

void bound(Detection& detection, const TurnedBox& turned, const Letterbox& box) noexcept {
  const auto corners = turned.corners();
  const auto range = [&](std::size_t axis, int limit, float& low, float& high) {
    low = high = corners[0][axis];
    for (const Point& p : corners) low = std::min(low, p[axis]), high = std::max(high, p[axis]);
    low = std::clamp(low, 0.0F, static_cast<float>(limit));
    high = std::clamp(high, 0.0F, static_cast<float>(limit));
  };
  range(0, box.source_width, detection.x1, detection.x2);
  range(1, box.source_height, detection.y1, detection.y2);
}

}  // namespace monza::vision
