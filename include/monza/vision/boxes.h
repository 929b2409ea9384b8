// From a detector's raw output to boxes in the picture, and non-maximum suppression.
#pragma once

#include <span>
#include <vector>

#include "monza/vision/heads.h"
#include "monza/vision/preprocess.h"

namespace monza::vision {

/// One object. The box is {left, top, right, bottom} in pixels, of the network's input until to_source() ran.
struct Detection {
  int class_id = 0;
  float score = 0;  // 0..1
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  int candidate = 0;  // its place among the head's candidates, where the head says more of it
};

struct DecodeOptions {
  float min_score = 0.25F;
  bool multi_label = false;  // one detection for each class above min_score, not only the best: for measuring mAP
  std::vector<int> classes;  // only these; empty: all
};

/// All candidates whose score is above the threshold, in pixels of the network's input, in no particular order. Of
/// turned boxes it is the box before it is turned around its centre.
/// `output` has the shape that `layout` was made from.
std::vector<Detection> decode_boxes(std::span<const float> output, const HeadLayout& layout, int input_width,
                                    int input_height, const DecodeOptions& options = {});

/// The values that a candidate has beside box and scores, layout.extra of them, copied to `values`.
void extra_values(std::span<const float> output, const HeadLayout& layout, int candidate, std::span<float> values);

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
