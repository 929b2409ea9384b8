// A classifier as one call: picture in, the best classes out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eval/picture_network.h"
#include "eval/run.h"
#include "monza/engine.h"

namespace monza::eval {

struct ClassScore {
  int class_id = 0;
  float score = 0;  // probability
};

/// How a picture becomes the network's input. Written into the engine's metadata when it is built, so that an engine
/// remembers what its model was trained on.
struct ClassifySettings {
  std::vector<float> mean, std;  // of R, G, B in 0..1; empty: not said
  int resize = -1;               // short side before the crop; 0: none; -1: not said
  int crop = -1;                 // side of the centre crop; -1: the network's input
  std::string channels;          // the network's order: "rgb" or "bgr"; "": not said

  /// Under the keys monza.classify.*, only what was said.
  std::map<std::string, std::string> to_metadata() const;
};

class Classifier {
 public:
  /// What `said` leaves open comes from the engine's metadata, then from what its exporter writes about itself, then
  /// from the conventions of ImageNet. `warn` is told once when the output is not finite. Throws Error when the network
  /// is no classifier of pictures, SettingsError when what is said does not fit it.
  Classifier(const Engine& engine, const ContextOptions& context, const ClassifySettings& said, WarnFn warn = {});

  /// The picture as the network's input, which the next call overwrites.
  const Tensor& prepare(const vision::Image& image);
  const std::string& input_name() const noexcept { return input_.name; }
  /// The best `count` classes by falling probability; equal ones in the order of their numbers.
  std::vector<ClassScore> classify(const vision::Image& image, std::size_t count, StageTimes& times);
  int classes() const noexcept { return classes_; }
  /// The settings in one line, for people.
  std::string describe() const;

 private:
  void settle(const Engine& engine, const ClassifySettings& said);

  PictureInput input_;
  std::string output_;
  int classes_ = 0;
  bool warned_ = false;  // that the output is not finite
  vision::ClassifyGeometry geometry_;
  vision::Normalization normalization_;
  WarnFn warn_;
  Tensor tensor_;
  Context context_;
};

/// Probabilities of a network's last layer: as they are when they already sum to 1, else softmax. In place.
void to_probabilities(std::vector<float>& values);

}  // namespace monza::eval
