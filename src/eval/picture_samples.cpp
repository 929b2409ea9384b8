#include "eval/picture_samples.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "eval/accuracy.h"
#include "eval/confidence.h"
#include "eval/detector.h"
#include "monza/vision/source.h"

namespace monza::eval {
namespace {

/// The next picture that can be read; `warn` is told of the others.
bool next_readable(vision::FrameSource& source, vision::Frame& frame, const WarnFn& warn) {
  while (true) try {
      return source.next(frame);
    } catch (const Error& e) {
      if (source.kind() != vision::SourceKind::folder) throw;
      if (warn) warn(e.what());
    }
}

void exchange_red_and_blue(vision::Image& image) {
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) std::swap(image.pixels[i], image.pixels[i + 2]);
}

/// Calls f(path, image) for the pictures of the folder, at most `most` that `wanted` takes, with red and blue exchanged
/// or as they are.
template <typename Wanted, typename F>
void each_picture(const std::string& folder, std::int64_t most, std::int64_t expected, bool exchanged,
                  const DataSet::ProgressFn& progress, const WarnFn& warn, const Wanted& wanted, F&& f) {
  const auto source = vision::open_source(folder);
  const std::int64_t pictures = source->size_estimate();
  const std::int64_t total = most > 0 ? std::min(most, pictures) : std::min(pictures, expected);
  std::int64_t done = 0;
  vision::Frame frame;
  while ((most <= 0 || done < most) && next_readable(*source, frame, warn)) {
    if (!wanted(frame.name)) continue;
    if (exchanged) exchange_red_and_blue(frame.image);
    f(frame.name, frame.image);
    ++done;
    if (total > 0) progress(static_cast<double>(done) / static_cast<double>(total));
  }
}

/// A picture-like tensor for the one input of a network that takes pictures; nothing for other networks.
std::map<std::string, Tensor> picture_like(const std::vector<ModelInput>& inputs, int side) {
  if (inputs.size() != 1 || inputs[0].shape.size() != 4) return {};
  std::vector<std::int64_t> shape = inputs[0].shape;
  close_extents(shape, side);
  return {{inputs[0].name, random_tensor(inputs[0].dtype, shape, 0)}};
}

class Classified final : public DataSet {
 public:
  Classified(std::string folder, const std::string& truth, std::int64_t samples, int side, ClassifySettings settings,
             WarnFn warn)
      : folder_(std::move(folder)),
        truth_file_(truth),
        truth_(load_truth(truth)),
        size_(side),
        side_(side > 0            ? side
              : settings.crop > 0 ? settings.crop
                                  : 224),
        samples_(samples),
        settings_(std::move(settings)),
        warn_(std::move(warn)) {}

  Accuracy measure(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) override {
    check_size(engine, size_);
    Classifier classifier(engine, options, settings_, warn_);
    ClassAccuracy accuracy;
    std::vector<double> hits;
    each_picture(
        folder_, samples_, static_cast<std::int64_t>(truth_.size()), exchanged_, progress, warn_,
        [&](const std::string& path) { return truth_.contains(picture_name(path)); },
        [&](const std::string& path, const vision::Image& image) {
          StageTimes times;
          const std::int64_t before = accuracy.top1;
          accuracy.add(truth_, path, classifier.classify(image, 5, times));
          hits.push_back(static_cast<double>(accuracy.top1 - before));
        });
    if (accuracy.images == 0) fail("none of the pictures in '{}' is named in {}", folder_, truth_file_);
    return {"top-1",
            accuracy.share(accuracy.top1),
            {{"top-5", accuracy.share(accuracy.top5)}},
            accuracy.images,
            weighted_mean(std::move(hits))};
  }

  bool exchange_red_and_blue(bool exchanged) override {
    exchanged_ = exchanged;
    return true;
  }
  std::map<std::string, Tensor> example(const std::vector<ModelInput>& inputs) const override {
    return picture_like(inputs, side_);
  }

 private:
  std::string folder_, truth_file_;
  ClassTruth truth_;
  int size_, side_;  // as said, 0 for nothing; as taken
  std::int64_t samples_;
  ClassifySettings settings_;
  bool exchanged_ = false;  ///< red and blue
  WarnFn warn_;
};

class Detected final : public DataSet {
 public:
  Detected(std::string folder, std::string instances, std::int64_t samples, int side, std::string labels,
           std::string head, WarnFn warn)
      : folder_(std::move(folder)),
        instances_(std::move(instances)),
        labels_(std::move(labels)),
        head_(std::move(head)),
        size_(side),
        side_(side > 0 ? side : 640),
        samples_(samples),
        warn_(std::move(warn)) {}

  Accuracy measure(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) override {
    check_size(engine, size_);
    const std::vector<std::string> labels = class_names(engine, labels_);
    DetectorOptions settings = coco_options();
    settings.head = head_;
    settings.warn = warn_;
    settings.classes = static_cast<int>(labels.size());
    Detector detector(engine, options, settings);
    CocoScore score(instances_, labels, detector.head().classes);
    each_picture(
        folder_, samples_, score.pictures(), exchanged_, progress, warn_,
        [&](const std::string& path) { return score.knows(path); },
        [&](const std::string& path, const vision::Image& image) {
          StageTimes times;
          score.add(path, detector.detect(image, times));
        });
    const auto boxes = std::make_shared<vision::MatchedBoxes>(score.result());
    const vision::AveragePrecision ap = boxes->average();
    return {"mAP50-95",
            ap.map50_95,
            {{"mAP50", ap.map50}, {"mAP75", ap.map75}},
            static_cast<std::int64_t>(score.images()),
            [boxes](std::span<const double> weights) { return boxes->average(weights).map50_95; }};
  }

  bool exchange_red_and_blue(bool exchanged) override {
    exchanged_ = exchanged;
    return true;
  }
  std::map<std::string, Tensor> example(const std::vector<ModelInput>& inputs) const override {
    return picture_like(inputs, side_);
  }

 private:
  std::string folder_, instances_, labels_, head_;
  int size_, side_;  // as said, 0 for nothing; as taken
  std::int64_t samples_;
  bool exchanged_ = false;  ///< red and blue
  WarnFn warn_;
};

}  // namespace

std::unique_ptr<DataSet> open_classified(const std::string& folder, const std::string& truth, std::int64_t samples,
                                         int side, const ClassifySettings& settings, WarnFn warn) {
  return std::make_unique<Classified>(folder, truth, samples, side, settings, std::move(warn));
}

std::unique_ptr<DataSet> open_detected(const std::string& folder, const std::string& instances, std::int64_t samples,
                                       int side, const std::string& labels, const std::string& head, WarnFn warn) {
  return std::make_unique<Detected>(folder, instances, samples, side, labels, head, std::move(warn));
}

}  // namespace monza::eval
