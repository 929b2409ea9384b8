#include "monza/vision/objects.h"

#include <algorithm>
#include <cmath>

namespace monza::vision {
namespace {

/// The best `limit`, by falling score: of a head that suppresses by itself.
void keep_best(std::vector<Detection>& found, int limit) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  if (found.size() > static_cast<std::size_t>(std::max(limit, 0)))
    found.resize(static_cast<std::size_t>(std::max(limit, 0)));
}

std::vector<Object> turned_objects(const HeadOutputs& outputs, const HeadLayout& layout, const Letterbox& box,
                                   const std::vector<Detection>& found, const NmsOptions& nms) {
  std::vector<TurnedCandidate> candidates;
  for (const Detection& d : found) {
    float angle = 0;
    extra_values(outputs.values, layout, d.candidate, std::span(&angle, 1));
    if (!std::isfinite(angle)) continue;
    candidates.push_back({d, {(d.x1 + d.x2) / 2, (d.y1 + d.y2) / 2, d.x2 - d.x1, d.y2 - d.y1, angle}});
  }
  if (layout.head != Head::end2end) candidates = suppress_turned(std::move(candidates), nms);
  std::vector<Object> objects;
  for (const TurnedCandidate& c : candidates) {
    Object object{c.box, to_source(c.turned, box), {}, {}};
    bound(object.box, *object.turned, box);
    objects.push_back(std::move(object));
  }
  return objects;
}

std::vector<Keypoint> keypoints_of(std::span<const float> values, const HeadLayout& layout, const Letterbox& box) {
  std::vector<Keypoint> points;
  const auto size = static_cast<std::size_t>(layout.keypoints[1]);  // 2 or 3
  for (std::size_t at = 0; at + size <= values.size(); at += size) {
    Keypoint point;
    const float score = size == 3 ? values[at + 2] : 1;
    if (std::isfinite(values[at]) && std::isfinite(values[at + 1]) && std::isfinite(score)) {
      const auto source = box.to_source(values[at], values[at + 1]);
      point = {source[0], source[1], score};
    } else {
      point.score = 0;
    }
    points.push_back(point);
  }
  return points;
}

}  // namespace

std::vector<Object> decode_objects(const HeadOutputs& outputs, const HeadLayout& layout, const Letterbox& box,
                                   const DecodeOptions& decode, const NmsOptions& nms) {
  std::vector<Detection> found = decode_boxes(outputs.values, layout, box.input_width, box.input_height, decode);
  if (layout.head == Head::end2end) keep_best(found, nms.max_detections);
  if (layout.task == Task::obb) return turned_objects(outputs, layout, box, found, nms);
  if (layout.head != Head::end2end) found = non_maximum_suppression(std::move(found), nms);
  to_source(found, box);
  std::vector<Object> objects;
  std::vector<float> extra(static_cast<std::size_t>(layout.extra));
  for (const Detection& d : found) {
    Object object{d, {}, {}, {}};
    if (!extra.empty()) extra_values(outputs.values, layout, d.candidate, extra);
    if (layout.task == Task::segment) {
      object.mask = decode_mask(outputs.prototypes, extra, d, box);
      if (object.mask.empty()) continue;
    }
    if (layout.task == Task::pose) object.keypoints = keypoints_of(extra, layout, box);
    objects.push_back(std::move(object));
  }
  return objects;
}

std::vector<Detection> boxes_of(std::span<const Object> objects) {
  std::vector<Detection> boxes;
  for (const Object& object : objects) boxes.push_back(object.box);
  return boxes;
}

std::span<const std::array<int, 2>> coco_skeleton() noexcept {
  static constexpr std::array<std::array<int, 2>, 19> lines = {{{15, 13},
                                                                {13, 11},
                                                                {16, 14},
                                                                {14, 12},
                                                                {11, 12},
                                                                {5, 11},
                                                                {6, 12},
                                                                {5, 6},
                                                                {5, 7},
                                                                {6, 8},
                                                                {7, 9},
                                                                {8, 10},
                                                                {1, 2},
                                                                {0, 1},
                                                                {0, 2},
                                                                {1, 3},
                                                                {2, 4},
                                                                {3, 5},
                                                                {4, 6}}};
  return lines;
}

}  // namespace monza::vision
