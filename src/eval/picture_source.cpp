#include "eval/picture_source.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "eval/detector.h"
#include "monza/vision/source.h"

namespace monza::eval {
namespace {

bool is_flat(const vision::Image& image) {
  const auto& pixels = image.pixels;
  for (std::size_t i = 3; i < pixels.size(); ++i)
    if (pixels[i] != pixels[i % 3]) return false;
  return true;
}

/// What turns a picture into the network's input.
struct Preparation {
  std::string input;
  std::function<const Tensor&(const vision::Image&)> prepare;
};

template <typename Network>
Preparation preparation_of(std::shared_ptr<Network> network) {
  return {network->input_name(),
          [network](const vision::Image& image) -> const Tensor& { return network->prepare(image); }};
}

Preparation preparation_for(const Engine& engine, const PictureSettings& settings) {
  picture_input(engine);  // says what the inputs are when they are no picture
  const ContextOptions context{.threads = 1};
  try {
    DetectorOptions options = coco_options();
    options.head = settings.head;
    options.classes = static_cast<int>(class_names(engine, settings.labels).size());
    return preparation_of(std::make_shared<Detector>(engine, context, options));
  } catch (const Error& no_detector) {
    if (!settings.head.empty()) throw;
    try {
      return preparation_of(std::make_shared<Classifier>(engine, context, settings.classify));
    } catch (const SettingsError&) {
      throw;
    } catch (const Error& no_classifier) {
      fail_hint("a folder of .npz files with the inputs by name (`monza run --save-inputs` writes such a file)",
                "how the model wants its pictures is not known: it is no detector ({}) and no classifier ({})",
                no_detector.fact(), no_classifier.fact());
    }
  }
}

class PictureSource final : public SampleSource {
 public:
  PictureSource(const std::string& source, std::int64_t most, const Engine& engine, const PictureSettings& settings,
                WarnFn warn)
      : frames_(vision::open_source(source)),
        most_(most),
        preparation_(preparation_for(engine, settings)),
        warn_(std::move(warn)) {}

  bool next(Sample& sample) override {
    if ((most_ > 0 && done_ == most_) || !next_readable()) return false;
    ++done_;
    sample.file = frame_.name;
    sample.is_flat = is_flat(frame_.image);
    sample.inputs.insert_or_assign(preparation_.input, preparation_.prepare(frame_.image));
    return true;
  }
  std::int64_t size_estimate() const override {
    const std::int64_t all = frames_->size_estimate();
    return most_ > 0 && (all == 0 || most_ < all) ? most_ : all;
  }

 private:
  bool next_readable() {
    while (true) try {
        return frames_->next(frame_);
      } catch (const Error& e) {
        if (frames_->kind() != vision::SourceKind::folder) throw;
        if (warn_) warn_(e.what());
      }
  }

  std::unique_ptr<vision::FrameSource> frames_;
  std::int64_t most_, done_ = 0;
  Preparation preparation_;
  WarnFn warn_;
  vision::Frame frame_;
};

}  // namespace

std::unique_ptr<SampleSource> open_picture_source(const std::string& source, std::int64_t most, const Engine& engine,
                                                  const PictureSettings& settings, WarnFn warn) {
  return std::make_unique<PictureSource>(source, most, engine, settings, std::move(warn));
}

}  // namespace monza::eval
