// From a YOLOv8 head's output to boxes, for a batch: what the host's and the GPU's code share.
//
//   boxes, scores, classes, counts = monza.vision.YoloPost(x) {score_threshold, iou_threshold, max_detections, ...}
//
//   x        f32[batch, 4 + classes, cells]      centre and size of each cell's box in pixels, then a score a class
//   boxes    f32[batch, max_detections, 4]       left, top, right, bottom, the best score first
//   scores   f32[batch, max_detections]
//   classes  i32[batch, max_detections]
//   counts   i32[batch]                          how many there are of each picture; what lies behind them is 0
#pragma once

#include <cstdint>

#include "monza/plugin.h"

#if defined(__CUDACC__)
#define YOLO_POST_FN __host__ __device__ inline
#else
#define YOLO_POST_FN inline
#endif

namespace yolo_post {

struct Params {
  float score_threshold;        ///< a box needs more
  float iou_threshold;          ///< what overlaps a better box of its class more is dropped
  std::int32_t max_candidates;  ///< the best so many of a picture are looked at
  std::int32_t reserved;
};

struct Sizes {
  std::int64_t batch, classes, cells, detections;
};

inline Sizes sizes_of(const monza_plugin_call& call) {
  const monza_tensor &x = call.inputs[0], &boxes = call.outputs[0];
  return {x.shape[0], x.shape[1] - 4, x.shape[2], boxes.shape[1]};
}

struct Box {
  float x1, y1, x2, y2;
};

YOLO_POST_FN Box from_centre(float cx, float cy, float w, float h) {
  return {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2};
}

YOLO_POST_FN float smaller(float a, float b) { return b < a ? b : a; }
YOLO_POST_FN float larger(float a, float b) { return a < b ? b : a; }

/// Intersection over union; 0 for boxes that do not meet.
YOLO_POST_FN float overlap(const Box& a, const Box& b) {
  const float w = smaller(a.x2, b.x2) - larger(a.x1, b.x1), h = smaller(a.y2, b.y2) - larger(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  const float both = w * h;
  return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

// yolo_post.cu
const char* run_cuda(const monza_plugin_call* call);
std::int64_t workspace_cuda(const Sizes& sizes);

}  // namespace yolo_post
