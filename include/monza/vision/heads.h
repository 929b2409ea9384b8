// What the outputs of the YOLO families hold, told from their shapes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace monza::vision {

/// Boxes are centre and size in pixels of the network's input but where it says otherwise. `extra` is what an object's
/// task adds: mask coefficients, key points or an angle.
enum class Head {
  yolov8,   // v8, v11 and the anchor-free v5: [1, 4 + classes + extra, cells]
  yolov5,   // [1, 3 * cells, 5 + classes + extra], objectness in column 4
  yolox,    // [1, cells, 5 + classes], offsets in units of the cell and logarithms of the size, objectness in column 4
  end2end,  // v10, v26 and exports with nms=True: [1, boxes, 6 + extra], two corners (turned boxes: as above), score,
            // class; suppression is done
};

/// What a detector says of an object beside its box.
enum class Task { detect, segment, pose, obb };

std::string_view head_name(Head head) noexcept;
/// "yolov8", "yolov11" (the same head), "yolov5", "yolox", "end2end"; Error that lists them for anything else.
Head parse_head(std::string_view name);
std::string_view task_name(Task task) noexcept;
/// "detect", "segment", "pose", "obb"; Error that lists them for anything else.
Task parse_task(std::string_view name);

/// A head together with what its output's shape says.
struct HeadLayout {
  Head head = Head::yolov8;
  int classes = 0;  // 0 of an end2end head whose class names are unknown
  int candidates = 0;
  std::vector<int> strides;  // of the levels, finest first: 8, 16, 32 and, for P6 networks, 64; none of end2end
  Task task = Task::detect;
  int extra = 0;                          // values of a candidate beside box, objectness and scores
  std::array<int, 2> keypoints = {0, 0};  // of a pose: how many, and the values of each: x, y and perhaps a score
  int fixed_columns() const noexcept {    // box, and objectness or score and class
    return head == Head::yolov8 ? 4 : head == Head::end2end ? 6 : 5;
  }
};

/// What may be known about a network besides the shape of its output. Empty or 0 means unknown.
struct HeadHints {
  std::string_view requested;    // the user's choice of head; wins over everything but an impossible shape
  std::string_view task;         // the user's choice, or ONNX metadata "task"
  std::string_view description;  // ONNX metadata "description", such as "Ultralytics YOLOv8n model ..."
  int classes = 0;               // number of class names
  int mask_channels = 0;         // of the prototypes that stand beside the output: [1, channels, height, width]
  std::string_view keypoints;    // ONNX metadata "kpt_shape", such as "[17, 3]"
};

/// Tells the head from the output's shape and the input's size, by the number of cells of the strided grids.
/// Throws Error with the reason when nothing fits, or when two heads fit and no hint decides.
HeadLayout identify_head(std::span<const std::int64_t> output_shape, int input_width, int input_height,
                         const HeadHints& hints = {});

/// No detector has more classes.
constexpr int max_box_classes = 100'000;

/// Cells of the grids of these strides over a picture.
std::int64_t count_cells(int width, int height, std::span<const int> strides) noexcept;

}  // namespace monza::vision
