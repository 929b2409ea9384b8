#include "monza/vision/boxes.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace monza::vision {
namespace {

/// The class with the best score of each candidate: [classes, n] scores, one class a row.
void best_of_classes(const float* scores, int classes, std::size_t n, std::vector<float>& best,
                     std::vector<int>& which) {
  best.assign(scores, scores + n);
  which.assign(n, 0);
  for (int c = 1; c < classes; ++c) {
    const float* row = scores + static_cast<std::size_t>(c) * n;
    for (std::size_t i = 0; i < n; ++i) {
      const bool better = row[i] > best[i];
      best[i] = better ? row[i] : best[i];
      which[i] = better ? c : which[i];
    }
  }
}

Detection from_centre(int class_id, float score, float cx, float cy, float w, float h, int candidate) {
  return {class_id, score, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, candidate};
}

std::size_t columns_of(const HeadLayout& layout) {
  const int scores = layout.head == Head::end2end ? 0 : layout.classes;
  return static_cast<std::size_t>(layout.fixed_columns() + scores + layout.extra);
}

std::vector<Detection> decode_v8(const float* out, const HeadLayout& layout, const DecodeOptions& options) {
  const auto n = static_cast<std::size_t>(layout.candidates);
  const float* scores = out + 4 * n;  // [classes, n]
  std::vector<Detection> found;
  const auto add = [&](std::size_t i, int c, float score) {
    found.push_back(from_centre(c, score, out[i], out[n + i], out[2 * n + i], out[3 * n + i], static_cast<int>(i)));
  };
  if (options.multi_label) {
    for (int c = 0; c < layout.classes; ++c)
      for (std::size_t i = 0; i < n; ++i)
        if (const float score = scores[static_cast<std::size_t>(c) * n + i]; score > options.min_score)
          add(i, c, score);
    return found;
  }
  std::vector<float> best;
  std::vector<int> which;
  best_of_classes(scores, layout.classes, n, best, which);
  for (std::size_t i = 0; i < n; ++i)
    if (best[i] > options.min_score) add(i, which[i], best[i]);
  return found;
}

/// Calls found(class, score) for the classes of one candidate: `scores` [classes], each times the objectness.
template <typename Found>
void each_class(const float* scores, int classes, float objectness, const DecodeOptions& options, Found found) {
  if (!(objectness > options.min_score)) return;  // a product with a probability can only be smaller
  if (options.multi_label) {
    for (int c = 0; c < classes; ++c)
      if (const float score = scores[c] * objectness; score > options.min_score) found(c, score);
    return;
  }
  const float* best = std::max_element(scores, scores + classes);
  if (const float score = *best * objectness; score > options.min_score) found(static_cast<int>(best - scores), score);
}

std::vector<Detection> decode_v5(const float* out, const HeadLayout& layout, const DecodeOptions& options) {
  std::vector<Detection> found;
  const std::size_t row_size = columns_of(layout);
  for (int i = 0; i < layout.candidates; ++i) {
    const float* row = out + static_cast<std::size_t>(i) * row_size;  // [5 + classes + extra]
    each_class(row + 5, layout.classes, row[4], options,
               [&](int c, float score) { found.push_back(from_centre(c, score, row[0], row[1], row[2], row[3], i)); });
  }
  return found;
}

std::vector<Detection> decode_yolox(const float* out, const HeadLayout& layout, int width, int height,
                                    const DecodeOptions& options) {
  std::vector<Detection> found;
  const std::size_t row_size = columns_of(layout);
  const float* row = out;  // [5 + classes], cells of a level row by row, levels finest first
  int candidate = 0;
  for (const int stride : layout.strides) {
    const int across = (width + stride - 1) / stride, down = (height + stride - 1) / stride;
    const auto unit = static_cast<float>(stride);
    for (int y = 0; y < down; ++y) {
      for (int x = 0; x < across; ++x, row += row_size, ++candidate) {
        each_class(row + 5, layout.classes, row[4], options, [&](int c, float score) {
          found.push_back(from_centre(c, score, (row[0] + static_cast<float>(x)) * unit,
                                      (row[1] + static_cast<float>(y)) * unit, std::exp(row[2]) * unit,
                                      std::exp(row[3]) * unit, candidate));
        });
      }
    }
  }
  return found;
}

std::vector<Detection> decode_end2end(const float* out, const HeadLayout& layout, const DecodeOptions& options) {
  std::vector<Detection> found;
  const std::size_t row_size = columns_of(layout);
  const auto classes = static_cast<float>(layout.classes > 0 ? layout.classes : max_box_classes);
  for (int i = 0; i < layout.candidates; ++i) {
    const float* row = out + static_cast<std::size_t>(i) * row_size;  // [6 + extra]
    if (!(row[4] > options.min_score) || !(row[5] >= 0 && row[5] < classes)) continue;
    const int c = static_cast<int>(row[5]);
    found.push_back(layout.task == Task::obb ? from_centre(c, row[4], row[0], row[1], row[2], row[3], i)
                                             : Detection{c, row[4], row[0], row[1], row[2], row[3], i});
  }
  return found;
}

bool is_finite(const Detection& d) {
  return std::isfinite(d.score) && std::isfinite(d.x1) && std::isfinite(d.y1) && std::isfinite(d.x2) &&
         std::isfinite(d.y2);
}

}  // namespace

std::vector<Detection> decode_boxes(std::span<const float> output, const HeadLayout& layout, int width, int height,
                                    const DecodeOptions& options) {
  const std::size_t columns = columns_of(layout);
  const std::size_t expected = columns * static_cast<std::size_t>(layout.candidates);
  const std::int64_t cells = layout.head == Head::end2end
                                 ? layout.candidates
                                 : count_cells(width, height, layout.strides) * (layout.head == Head::yolov5 ? 3 : 1);
  if (output.size() != expected || cells != layout.candidates)
    fail("the output has {} values; {} with {} classes at {}x{} has {}", output.size(), head_name(layout.head),
         layout.classes, width, height, columns * static_cast<std::size_t>(cells));
  std::vector<Detection> found;
  switch (layout.head) {
    case Head::yolov8: found = decode_v8(output.data(), layout, options); break;
    case Head::yolov5: found = decode_v5(output.data(), layout, options); break;
    case Head::yolox: found = decode_yolox(output.data(), layout, width, height, options); break;
    case Head::end2end: found = decode_end2end(output.data(), layout, options); break;
  }
  const auto unwanted = [&](int id) {
    return !options.classes.empty() &&
           std::find(options.classes.begin(), options.classes.end(), id) == options.classes.end();
  };
  std::erase_if(found, [&](const Detection& d) { return !is_finite(d) || unwanted(d.class_id); });
  return found;
}

void extra_values(std::span<const float> output, const HeadLayout& layout, int candidate, std::span<float> values) {
  const std::size_t columns = columns_of(layout), first = columns - static_cast<std::size_t>(layout.extra);
  const auto at = static_cast<std::size_t>(candidate), n = static_cast<std::size_t>(layout.candidates);
  if (at >= n || output.size() != columns * n || values.size() != static_cast<std::size_t>(layout.extra))
    fail("candidate {} of {} has no {} further values in an output of {}", at, n, values.size(), output.size());
  for (std::size_t k = 0; k < values.size(); ++k)
    values[k] = layout.head == Head::yolov8 ? output[(first + k) * n + at] : output[at * columns + first + k];
}

float intersection_over_union(const Detection& a, const Detection& b) noexcept {
  const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  const float both = w * h;
  return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

std::vector<Detection> non_maximum_suppression(std::vector<Detection> candidates, const NmsOptions& options) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  if (options.max_candidates >= 0 && candidates.size() > static_cast<std::size_t>(options.max_candidates))
    candidates.resize(static_cast<std::size_t>(options.max_candidates));

  // Survivors by class, so that a candidate meets only those that can suppress it.
  int classes = 0;
  for (const Detection& d : candidates) classes = std::max(classes, d.class_id + 1);
  std::vector<std::vector<Detection>> kept_of_class(static_cast<std::size_t>(classes));
  std::vector<Detection> kept;
  for (const Detection& d : candidates) {
    if (kept.size() >= static_cast<std::size_t>(std::max(options.max_detections, 0))) break;
    auto& rivals = kept_of_class[static_cast<std::size_t>(d.class_id)];
    const bool suppressed = std::any_of(
        rivals.begin(), rivals.end(), [&](const Detection& k) { return intersection_over_union(k, d) > options.iou; });
    if (suppressed) continue;
    rivals.push_back(d);
    kept.push_back(d);
  }
  return kept;
}

void to_source(std::span<Detection> detections, const Letterbox& box) noexcept {
  for (Detection& d : detections) {
    const auto upper_left = box.to_source(d.x1, d.y1), lower_right = box.to_source(d.x2, d.y2);
    d.x1 = upper_left[0], d.y1 = upper_left[1];
    d.x2 = lower_right[0], d.y2 = lower_right[1];
  }
}

}  // namespace monza::vision
