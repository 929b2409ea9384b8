#include "monza/vision/draw_objects.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "monza/vision/draw.h"
#include "monza/vision/labels.h"

namespace monza::vision {
namespace {

/// Key points that are less sure than this are not drawn, nor are their lines.
constexpr float least_point = 0.25F;
constexpr std::size_t people_points = 17;

int to_pixel(float v, int limit) noexcept {
  return static_cast<int>(std::lround(std::clamp(v, 0.0F, static_cast<float>(limit))));
}

/// Half colour, half picture.
void tint(Image& image, const Mask& mask, Color color) {
  for (const Mask::Run& run : mask.runs) {
    if (run.y < 0 || run.y >= image.height) continue;
    const int begin = std::clamp(run.begin, 0, image.width), end = std::clamp(run.end, begin, image.width);
    std::uint8_t* pixel = image.row(run.y) + 3 * begin;
    for (int x = begin; x < end; ++x)
      for (const std::uint8_t channel : color) {
        *pixel = static_cast<std::uint8_t>((*pixel + channel + 1) / 2);
        ++pixel;
      }
  }
}

void draw_body(Image& image, const std::vector<Keypoint>& points, Color color, int thickness) {
  if (points.size() == people_points)
    for (const auto& [from, to] : coco_skeleton()) {
      const Keypoint &a = points[static_cast<std::size_t>(from)], &b = points[static_cast<std::size_t>(to)];
      if (std::min(a.score, b.score) >= least_point) draw_line(image, a.x, a.y, b.x, b.y, color, thickness);
    }
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points[i].score >= least_point)
      fill_circle(image, points[i].x, points[i].y, thickness + 1, class_color(static_cast<int>(i)));
}

void draw_turned(Image& image, const TurnedBox& box, Color color, int thickness) {
  const auto corners = box.corners();
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Point &a = corners[i], &b = corners[(i + 1) % corners.size()];
    draw_line(image, a[0], a[1], b[0], b[1], color, thickness);
  }
}

void draw_label(Image& image, const Detection& d, const std::string& name, Color color, int scale) {
  const int x1 = to_pixel(d.x1, image.width), y1 = to_pixel(d.y1, image.height);
  const std::string text = fmt::format("{} {:.2f}", name, d.score);
  const auto [width, height] = text_extent(text, scale);
  const int plate_width = width + 2 * scale, plate_height = height + scale;
  const int left = std::clamp(x1, 0, std::max(image.width - plate_width, 0));
  const int top = y1 >= plate_height ? y1 - plate_height : y1;
  fill_rectangle(image, left, top, left + plate_width, top + plate_height, color);
  draw_text(image, left + scale + scale / 2, top + scale, text, ink_on(color), scale);
}

}  // namespace

void draw_objects(Image& image, std::span<const Object> objects, const std::vector<std::string>& labels) {
  const int side = std::max(image.width, image.height);
  const int scale = std::max(1, (side + 200) / 500);
  const int thickness = std::max(2, side / 320);
  std::vector<const Object*> order;
  for (const Object& object : objects) order.push_back(&object);
  std::stable_sort(order.begin(), order.end(),
                   [](const Object* a, const Object* b) { return a->box.score < b->box.score; });
  for (const Object* object : order) tint(image, object->mask, class_color(object->box.class_id));
  for (const Object* object : order) {
    const Detection& d = object->box;
    const Color color = class_color(d.class_id);
    if (object->turned) draw_turned(image, *object->turned, color, thickness);
    else
      draw_frame(image, to_pixel(d.x1, image.width), to_pixel(d.y1, image.height), to_pixel(d.x2, image.width),
                 to_pixel(d.y2, image.height), color, thickness);
    draw_body(image, object->keypoints, color, thickness);
    draw_label(image, d, label_of(labels, d.class_id), color, scale);
  }
}

}  // namespace monza::vision
