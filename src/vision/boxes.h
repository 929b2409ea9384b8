// From a detector's raw output to boxes in the picture: the heads of the YOLO families, and non-maximum suppression.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vision/preprocess.h"

namespace monza::vision {

/// One object. The box is {left, top, right, bottom} in pixels, of the network's input until to_source() ran.
struct Detection {
  int class_id = 0;
  float score = 0;  // 0..1
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

enum class Head {
  yolov8,  // v8, v11 and the anchor-free v5: [1, 4 + classes, cells], boxes as centre and size in pixels
  yolov5,  // [1, 3 * cells, 5 + classes], boxes as centre and size in pixels, objectness in column 4
  yolox,   // [1, cells, 5 + classes], offsets in units of the cell and logarithms of the size, objectness in column 4
};

std::string_view head_name(Head head) noexcept;
/// "yolov8", "yolov11" (the same head), "yolov5", "yolox"; Error that lists them for anything else.
Head parse_head(std::string_view name);

/// A head together with what its output's shape says.
struct HeadLayout {
  Head head = Head::yolov8;
  int classes = 0;
  int candidates = 0;
  std::vector<int> strides;  // of the levels, finest first: 8, 16, 32 and, for P6 networks, 64
};

/// What may be known about a network besides the shape of its output. Empty or 0 means unknown.
struct HeadHints {
  std::string_view requested;    // the user's choice of head; wins over everything but an impossible shape
  std::string_view task;         // ONNX metadata "task": anything but "detect" is refused
  std::string_view description;  // ONNX metadata "description", such as "Ultralytics YOLOv8n model ..."
  int classes = 0;               // number of class names
};

/// Tells the head from the output's shape and the input's size, by the number of cells of the strided grids.
/// Throws Error with the reason when nothing fits, or when two heads fit and no hint decides.
HeadLayout identify_head(std::span<const std::int64_t> output_shape, int input_width, int input_height,
                         const HeadHints& hints = {});

struct DecodeOptions {
  float min_score = 0.25F;
  bool multi_label = false;  // one detection for each class above min_score, not only the best: for measuring mAP
};

/// All candidates whose score is above the threshold, in pixels of the network's input, in no particular order.
/// `output` has the shape that `layout` was made from.
std::vector<Detection> decode_boxes(std::span<const float> output, const HeadLayout& layout, int input_width,
                                    int input_height, const DecodeOptions& options = {});

struct NmsOptions {
  float iou = 0.45F;           // boxes of one class that overlap more than this with a better one are dropped
  int max_candidates = 30000;  // the best so many enter
  int max_detections = 300;    // and at most so many stay
};

/// Greedy suppression within each class. The result is sorted by score, equal scores in the order they came in.
std::vector<Detection> non_maximum_suppression(std::vector<Detection> candidates, const NmsOptions& options = {});

/// Intersection over union; 0 for boxes without area.
float intersection_over_union(const Detection& a, const Detection& b) noexcept;

/// Maps boxes of the network's input to pixels of the source, clipped to it.
void to_source(std::span<Detection> detections, const Letterbox& box) noexcept;

}  // namespace monza::vision
