#include "vision/boxes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace monza::vision {
namespace {

std::int64_t count_cells(int width, int height, const std::vector<int>& strides) {
  std::int64_t cells = 0;
  for (const int stride : strides) {
    const auto across = static_cast<std::int64_t>((width + stride - 1) / stride);
    cells += across * ((height + stride - 1) / stride);
  }
  return cells;
}

struct Reading {
  HeadLayout layout;
  std::string text;
};

constexpr int max_box_classes = 100'000;

/// Every way to read a [1, rows, columns] output as one of the heads.
std::vector<Reading> possible_readings(std::int64_t rows, std::int64_t columns, int width, int height) {
  std::vector<Reading> found;
  for (const std::vector<int>& strides : {std::vector<int>{8, 16, 32}, std::vector<int>{8, 16, 32, 64}}) {
    const std::int64_t cells = count_cells(width, height, strides);
    const auto add = [&](Head head, std::int64_t classes, std::int64_t candidates) {
      if (classes < 1 || classes > max_box_classes) return;
      HeadLayout layout{head, static_cast<int>(classes), static_cast<int>(candidates), strides};
      found.push_back({layout, fmt::format("{} with {} classes", head_name(head), classes)});
    };
    if (columns == cells) add(Head::yolov8, rows - 4, columns);
    if (rows == 3 * cells) add(Head::yolov5, columns - 5, rows);
    if (rows == cells) add(Head::yolox, columns - 5, rows);
  }
  return found;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += fmt::format("{}{}", text.empty() ? "[" : ", ", extent);
  return text.empty() ? "[]" : text + "]";
}
std::string list_readings(const std::vector<Reading>& readings) {
  std::string text;
  for (const Reading& r : readings) text += (text.empty() ? "" : ", ") + r.text;
  return text;
}

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

Detection from_centre(int class_id, float score, float cx, float cy, float w, float h) {
  return {class_id, score, cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2};
}

std::vector<Detection> decode_v8(const float* out, const HeadLayout& layout, const DecodeOptions& options) {
  const auto n = static_cast<std::size_t>(layout.candidates);
  const float* scores = out + 4 * n;  // [classes, n]
  std::vector<Detection> found;
  const auto add = [&](std::size_t i, int c, float score) {
    found.push_back(from_centre(c, score, out[i], out[n + i], out[2 * n + i], out[3 * n + i]));
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
  const auto row_size = static_cast<std::size_t>(layout.classes) + 5;
  for (int i = 0; i < layout.candidates; ++i) {
    const float* row = out + static_cast<std::size_t>(i) * row_size;  // [5 + classes]
    each_class(row + 5, layout.classes, row[4], options,
               [&](int c, float score) { found.push_back(from_centre(c, score, row[0], row[1], row[2], row[3])); });
  }
  return found;
}

std::vector<Detection> decode_yolox(const float* out, const HeadLayout& layout, int width, int height,
                                    const DecodeOptions& options) {
  std::vector<Detection> found;
  const auto row_size = static_cast<std::size_t>(layout.classes) + 5;
  const float* row = out;  // [5 + classes], cells of a level row by row, levels finest first
  for (const int stride : layout.strides) {
    const int across = (width + stride - 1) / stride, down = (height + stride - 1) / stride;
    const auto unit = static_cast<float>(stride);
    for (int y = 0; y < down; ++y) {
      for (int x = 0; x < across; ++x, row += row_size) {
        each_class(row + 5, layout.classes, row[4], options, [&](int c, float score) {
          found.push_back(from_centre(c, score, (row[0] + static_cast<float>(x)) * unit,
                                      (row[1] + static_cast<float>(y)) * unit, std::exp(row[2]) * unit,
                                      std::exp(row[3]) * unit));
        });
      }
    }
  }
  return found;
}

bool is_finite(const Detection& d) {
  return std::isfinite(d.score) && std::isfinite(d.x1) && std::isfinite(d.y1) && std::isfinite(d.x2) &&
         std::isfinite(d.y2);
}

}  // namespace

std::string_view head_name(Head head) noexcept {
  switch (head) {
    case Head::yolov8: return "yolov8";
    case Head::yolov5: return "yolov5";
    case Head::yolox: return "yolox";
  }
  return "unknown";
}

Head parse_head(std::string_view name) {
  struct Spelling {
    std::string_view name;
    Head head;
  };
  static constexpr std::array<Spelling, 5> spellings = {{{"yolov8", Head::yolov8},
                                                         {"yolov11", Head::yolov8},
                                                         {"yolo11", Head::yolov8},
                                                         {"yolov5", Head::yolov5},
                                                         {"yolox", Head::yolox}}};
  for (const Spelling& s : spellings)
    if (s.name == name) return s.head;
  fail_hint("yolov5, yolov8, yolov11 or yolox", "there is no detection head called '{}'", name);
}

HeadLayout identify_head(std::span<const std::int64_t> shape, int width, int height, const HeadHints& hints) {
  if (width < 1 || height < 1) fail("a detector's input of {}x{} pixels makes no sense", width, height);
  if (!hints.task.empty() && hints.task != "detect")
    fail_hint("a detection model; classifiers go to 'monza classify'",
              "the model's metadata says that its task is '{}', not 'detect'", hints.task);
  if (shape.size() == 3 && shape[1] == 300 && shape[2] == 6 && hints.requested.empty())
    fail_hint("an export with nms=False and, for YOLOv10 and later, end2end=False",
              "the output {} holds boxes after non-maximum suppression, a head that is not read here",
              shape_text(shape));
  if (shape.size() != 3 || shape[0] != 1)
    fail_hint(
        "an export whose detections are one output [1, rows, columns] with batch 1; name it with --outputs if there "
        "are several",
        "the output {} is not that of a YOLO detector", shape_text(shape));

  std::vector<Reading> all = possible_readings(shape[1], shape[2], width, height);
  if (all.empty())
    fail_hint(
        "the input size that the model was exported for, or a model with one of these heads: yolov5 [1, 3*cells, "
        "5+classes], "
        "yolov8 and yolov11 [1, 4+classes, cells], yolox [1, cells, 5+classes]",
        "the output {} fits no known head: an input of {}x{} has {} cells at strides 8, 16, 32 and {} with 64",
        shape_text(shape), width, height, count_cells(width, height, {8, 16, 32}),
        count_cells(width, height, {8, 16, 32, 64}));

  std::vector<Reading> left = all;
  const auto keep = [&](auto&& fits) { std::erase_if(left, [&](const Reading& r) { return !fits(r.layout); }); };
  if (!hints.requested.empty()) {
    const Head wanted = parse_head(hints.requested);
    keep([&](const HeadLayout& l) { return l.head == wanted; });
    if (left.empty())
      fail("the head {} was asked for, but the output {} at an input of {}x{} can only be: {}", hints.requested,
           shape_text(shape), width, height, list_readings(all));
  }
  if (hints.classes > 0) {
    keep([&](const HeadLayout& l) { return l.classes == hints.classes; });
    if (left.empty()) {
      // Rows of 4 + classes: a transposed v8 output, which would otherwise be read as YOLOX with one class less.
      if (shape[2] == hints.classes + 4 && shape[1] == count_cells(width, height, {8, 16, 32}))
        fail_hint("an export without the transpose", "the output {} looks like a yolov8 head turned to rows of boxes",
                  shape_text(shape));
      fail_hint("the class names that belong to the model", "there are {} class names, but the output {} is: {}",
                hints.classes, shape_text(shape), list_readings(all));
    }
  }
  if (left.size() > 1 && hints.description.find("YOLO") != std::string_view::npos)
    keep([](const HeadLayout& l) { return l.head == Head::yolov8; });
  if (left.size() != 1)
    fail_hint("--head yolov5, --head yolov8 or --head yolox", "the output {} can be read in more than one way: {}",
              shape_text(shape), list_readings(all));
  return left.front().layout;
}

std::vector<Detection> decode_boxes(std::span<const float> output, const HeadLayout& layout, int width, int height,
                                    const DecodeOptions& options) {
  const std::size_t columns = static_cast<std::size_t>(layout.classes) + (layout.head == Head::yolov8 ? 4 : 5);
  const std::size_t expected = columns * static_cast<std::size_t>(layout.candidates);
  const std::int64_t cells = count_cells(width, height, layout.strides) * (layout.head == Head::yolov5 ? 3 : 1);
  if (output.size() != expected || cells != layout.candidates)
    fail("the output has {} values; {} with {} classes at {}x{} has {}", output.size(), head_name(layout.head),
         layout.classes, width, height, columns * static_cast<std::size_t>(cells));
  std::vector<Detection> found;
  switch (layout.head) {
    case Head::yolov8: found = decode_v8(output.data(), layout, options); break;
    case Head::yolov5: found = decode_v5(output.data(), layout, options); break;
    case Head::yolox: found = decode_yolox(output.data(), layout, width, height, options); break;
  }
  std::erase_if(found, [](const Detection& d) { return !is_finite(d); });
  return found;
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
