#include "eval/detector.h"

#include <fmt/core.h>

#include "base/error.h"
#include "base/printable.h"

namespace monza::eval {
namespace {

struct ChosenOutput {
  std::string name;
  vision::HeadLayout head;
};

/// The output that holds the detections: the only one, or the only one that fits a head.
ChosenOutput choose_output(const Engine& engine, const PictureInput& input, const DetectorOptions& options) {
  const auto metadata = engine.metadata();
  const auto value = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  const std::string task = value("task"), description = value("description");
  const vision::HeadHints hints = {options.head, task, description, options.classes};
  std::vector<ChosenOutput> fitting;
  std::optional<Error> refusal;
  for (const TensorInfo& info : engine.outputs()) {
    try {
      if (info.dtype != DType::f32)
        fail_hint(fmt::format("--io-type {}=f32, with the ONNX file", info.name),
                  "it has the type {}; detections are read as float32", name_of(info.dtype));
      fitting.push_back({info.name, vision::identify_head(info.opt, input.width, input.height, hints)});
    } catch (const Error& e) {
      if (!refusal) refusal = e.at(message("output {}", info.name));
    }
  }
  if (fitting.empty() && refusal) throw *refusal;
  if (fitting.size() != 1)
    fail_hint("--outputs NAME", "the model has {} outputs, {} of which could hold detections", engine.outputs().size(),
              fitting.size());
  return fitting.front();
}

}  // namespace

DetectorOptions coco_options() {
  DetectorOptions options;
  options.decode.min_score = 0.001F;
  options.decode.multi_label = true;
  options.nms.iou = 0.7F;
  return options;
}

Detector::Detector(const Engine& engine, const ContextOptions& context, const DetectorOptions& options)
    : input_(picture_input(engine)),
      options_(options),
      tensor_(input_.dtype, input_.shape),
      context_(engine.create_context(context)) {
  ChosenOutput chosen = choose_output(engine, input_, options);
  output_ = std::move(chosen.name);
  head_ = std::move(chosen.head);
  if (head_.head == vision::Head::yolox) {
    normalization_ = vision::yolox_normalization();
    rule_ = vision::LetterboxRule::top_left;
  }
  normalization_.layout = input_.layout;
  check(context_, context_.bind_input(input_.name, tensor_));
}

const Tensor& Detector::prepare(const vision::Image& image) {
  const auto elements = static_cast<std::size_t>(tensor_.numel());
  box_ = input_.dtype == DType::u8 ? vision::letterbox(image, input_.width, input_.height, rule_, normalization_,
                                                       std::span(tensor_.as<std::uint8_t>(), elements))
                                   : vision::letterbox(image, input_.width, input_.height, rule_, normalization_,
                                                       std::span(tensor_.as<float>(), elements));
  return tensor_;
}

std::vector<vision::Detection> Detector::detect(const vision::Image& image, StageTimes& times) {
  LapTimer watch;
  prepare(image);
  times.preprocess_ms = watch.lap_ms();
  run(context_);
  times.inference_ms = watch.lap_ms();
  const TensorRef out = context_.output(output_);
  const std::span<const float> values(out.as<float>(), static_cast<std::size_t>(out.numel()));
  auto found = vision::non_maximum_suppression(
      vision::decode_boxes(values, head_, input_.width, input_.height, options_.decode), options_.nms);
  // A score that is NaN is above no threshold, so it shows where nothing is found.
  if (found.empty() && !warned_)
    if (const std::string strange = not_finite(out); !strange.empty()) {
      if (options_.warn) options_.warn(message("warning: the model's output '{}': {}", output_, strange));
      warned_ = true;
    }
  vision::to_source(found, box_);
  times.postprocess_ms = watch.lap_ms();
  return found;
}

}  // namespace monza::eval
