// All that a detector says of a picture: boxes and what goes with them.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "monza/vision/boxes.h"
#include "monza/vision/mask.h"
#include "monza/vision/turned.h"

namespace monza::vision {

/// A place of a body, in pixels of the source.
struct Keypoint {
  float x = 0, y = 0;
  float score = 1;  // 0..1, that it is seen; 1 where the head has none, 0 where its place is not a number
};

/// One object. What its task does not have is empty.
struct Object {
  Detection box;                    // of a turned box: the upright one around it
  std::optional<TurnedBox> turned;  // in pixels of the source
  Mask mask;
  std::vector<Keypoint> keypoints;
};

/// The outputs of a network for one picture.
struct HeadOutputs {
  std::span<const float> values;  // in the shape that the layout was made from
  Prototypes prototypes;          // of Task::segment
};

/// Decodes, suppresses and maps to the source, by falling score. Objects whose mask has no pixel are left out, as this
/// family does. Throws Error when sizes disagree.
std::vector<Object> decode_objects(const HeadOutputs& outputs, const HeadLayout& layout, const Letterbox& box,
                                   const DecodeOptions& decode = {}, const NmsOptions& nms = {});

std::vector<Detection> boxes_of(std::span<const Object> objects);

/// The lines between the 17 key points of COCO's people, by their numbers.
std::span<const std::array<int, 2>> coco_skeleton() noexcept;

}  // namespace monza::vision
