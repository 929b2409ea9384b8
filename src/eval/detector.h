// A YOLO detector as one call: picture in, objects in the picture's pixels out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/picture_network.h"
#include "eval/run.h"
#include "monza/engine.h"
#include "monza/vision/objects.h"

namespace monza::eval {

struct DetectorOptions {
  std::string head;  // "" tells the head from the model
  std::string task;  // "" takes the model's word
  int classes = 0;   // number of class names; 0 when there are none
  vision::DecodeOptions decode;
  vision::NmsOptions nms;
  WarnFn warn;  // told once when the output is not finite
};

/// What COCO's evaluation asks for: every box above almost nothing, of every class.
DetectorOptions coco_options();

/// One context of an engine and its buffers. Not thread-safe.
class Detector {
 public:
  /// Throws Error when the network's input or output is not that of a detector we know.
  Detector(const Engine& engine, const ContextOptions& context, const DetectorOptions& options);

  /// The picture as the network's input, which the next call overwrites.
  const Tensor& prepare(const vision::Image& image);
  const std::string& input_name() const noexcept { return input_.name; }
  /// Sorted by falling score. Throws RunError when the inference fails.
  std::vector<vision::Object> find(const vision::Image& image, StageTimes& times);
  /// Their boxes alone.
  std::vector<vision::Detection> detect(const vision::Image& image, StageTimes& times);
  const vision::HeadLayout& head() const noexcept { return head_; }

 private:
  PictureInput input_;
  DetectorOptions options_;
  std::string output_;
  std::string prototypes_;  // the output that masks are combined of; empty without masks
  bool warned_ = false;     // that the output is not finite
  vision::Letterbox box_;   // of the last picture
  vision::HeadLayout head_;
  vision::Normalization normalization_;
  vision::LetterboxRule rule_ = vision::LetterboxRule::centred;
  Tensor tensor_;
  Context context_;
};

}  // namespace monza::eval
