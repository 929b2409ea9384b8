#include "monza/vision/heads.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <string>

#include "base/error.h"

namespace monza::vision {
namespace {

struct Reading {
  HeadLayout layout;
  std::string text;
};

constexpr int max_end2end_boxes = 10'000;
constexpr std::array<int, 4> all_strides = {8, 16, 32, 64};

template <typename Value>
struct Spelling {
  std::string_view name;
  Value value;
};
constexpr std::array<Spelling<Head>, 6> head_spellings = {{{"yolov8", Head::yolov8},
                                                           {"yolov5", Head::yolov5},
                                                           {"yolox", Head::yolox},
                                                           {"end2end", Head::end2end},
                                                           {"yolov11", Head::yolov8},
                                                           {"yolo11", Head::yolov8}}};
constexpr std::array<Spelling<Task>, 4> task_spellings = {
    {{"detect", Task::detect}, {"segment", Task::segment}, {"pose", Task::pose}, {"obb", Task::obb}}};

template <typename Value, std::size_t n>
std::string_view name_in(const std::array<Spelling<Value>, n>& spellings, Value value) noexcept {
  for (const auto& s : spellings)
    if (s.value == value) return s.name;
  return "unknown";
}

/// What the task adds to each candidate.
struct Extra {
  Task task = Task::detect;
  int count = 0;
  std::array<int, 2> keypoints = {0, 0};
};

/// "[17, 3]" or "17x3".
std::array<int, 2> parse_keypoints(std::string_view text) {
  std::array<int, 2> values = {0, 0};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int& value : values) {
    while (at != end && (*at < '0' || *at > '9')) ++at;
    at = std::from_chars(at, end, value).ptr;
  }
  if (values[0] < 1 || values[0] > 10'000 || values[1] < 2 || values[1] > 3)
    fail_hint("the number of key points and 2 or 3 values for each, such as 17x3", "'{}' is no shape of key points",
              text);
  return values;
}

Extra extra_of(const HeadHints& hints) {
  const Task task =
      hints.task.empty() ? hints.mask_channels > 0 ? Task::segment : Task::detect : parse_task(hints.task);
  switch (task) {
    case Task::detect: return {};
    case Task::obb: return {task, 1};
    case Task::segment:
      if (hints.mask_channels < 1)
        fail_hint("an export whose prototypes [1, channels, height, width] are an output",
                  "masks are combined of prototypes, and the model has no such output");
      return {task, hints.mask_channels};
    case Task::pose: {
      const auto keypoints = hints.keypoints.empty() ? std::array<int, 2>{17, 3} : parse_keypoints(hints.keypoints);
      return {task, keypoints[0] * keypoints[1], keypoints};
    }
  }
  return {};
}

/// Every way to read a [1, rows, columns] output as one of the heads.
std::vector<Reading> possible_readings(std::int64_t rows, std::int64_t columns, int width, int height,
                                       const Extra& extra, int known_classes) {
  std::vector<Reading> found;
  const auto add = [&](Head head, std::int64_t classes, std::int64_t candidates, std::vector<int> strides) {
    if (classes < 1 || classes > max_box_classes) return;
    HeadLayout layout{head,
                      static_cast<int>(classes),
                      static_cast<int>(candidates),
                      std::move(strides),
                      extra.task,
                      extra.count,
                      extra.keypoints};
    found.push_back({std::move(layout), fmt::format("{} with {} classes", head_name(head), classes)});
  };
  for (const std::size_t levels : {3, 4}) {
    const std::vector<int> strides(all_strides.begin(), all_strides.begin() + static_cast<std::ptrdiff_t>(levels));
    const std::int64_t cells = count_cells(width, height, strides);
    if (columns == cells) add(Head::yolov8, rows - 4 - extra.count, columns, strides);
    if (rows == 3 * cells) add(Head::yolov5, columns - 5 - extra.count, rows, strides);
    if (rows == cells && extra.task == Task::detect) add(Head::yolox, columns - 5, rows, strides);
  }
  // One class of yolov5 or yolox has six columns, too, and rows by the cell.
  if (found.empty() && columns == 6 + extra.count && rows >= 1 && rows <= max_end2end_boxes)
    found.push_back(
        {{Head::end2end, known_classes, static_cast<int>(rows), {}, extra.task, extra.count, extra.keypoints},
         "end2end, boxes after suppression"});
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

[[noreturn]] void refuse_shape(std::span<const std::int64_t> shape, int width, int height, const Extra& extra) {
  const std::string more = extra.count == 0 ? "" : fmt::format("+{} for {}", extra.count, task_name(extra.task));
  fail_hint(message("the input size that the model was exported for, or a model with one of these heads: yolov5 [1, "
                    "3*cells, 5+classes{0}], yolov8 and yolov11 [1, 4+classes{0}, cells], yolox [1, cells, 5+classes], "
                    "end2end [1, boxes, 6{0}]",
                    more),
            "the output {} fits no known head: an input of {}x{} has {} cells at strides 8, 16, 32 and {} with 64",
            shape_text(shape), width, height, count_cells(width, height, std::span(all_strides).first(3)),
            count_cells(width, height, all_strides));
}

}  // namespace

std::int64_t count_cells(int width, int height, std::span<const int> strides) noexcept {
  std::int64_t cells = 0;
  for (const int stride : strides) {
    const auto across = static_cast<std::int64_t>((width + stride - 1) / stride);
    cells += across * ((height + stride - 1) / stride);
  }
  return cells;
}

std::string_view head_name(Head head) noexcept { return name_in(head_spellings, head); }
std::string_view task_name(Task task) noexcept { return name_in(task_spellings, task); }

Head parse_head(std::string_view name) {
  for (const auto& s : head_spellings)
    if (s.name == name) return s.value;
  fail_hint("yolov5, yolov8, yolov11, yolox or end2end", "there is no detection head called '{}'", name);
}

Task parse_task(std::string_view name) {
  for (const auto& s : task_spellings)
    if (s.name == name) return s.value;
  fail_hint("detect, segment, pose or obb; classifiers go to 'monza classify'",
            "a model whose task is '{}' is no detector", name);
}

HeadLayout identify_head(std::span<const std::int64_t> shape, int width, int height, const HeadHints& hints) {
  if (width < 1 || height < 1) fail("a detector's input of {}x{} pixels makes no sense", width, height);
  const Extra extra = extra_of(hints);
  if (shape.size() != 3 || shape[0] != 1)
    fail_hint(
        "an export whose detections are one output [1, rows, columns] with batch 1; name it with --outputs if there "
        "are several",
        "the output {} is not that of a YOLO detector", shape_text(shape));

  std::vector<Reading> all = possible_readings(shape[1], shape[2], width, height, extra, hints.classes);
  if (all.empty()) refuse_shape(shape, width, height, extra);

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
      if (shape[2] == hints.classes + 4 && shape[1] == count_cells(width, height, std::span(all_strides).first(3)))
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

}  // namespace monza::vision
