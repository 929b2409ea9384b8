#include "eval/detector.h"

#include <fmt/core.h>

#include "base/error.h"
#include "base/printable.h"

namespace monza::eval {
namespace {

constexpr std::int64_t kMostPrototypes = 1024;

struct ChosenOutput {
  std::string name;
  std::string prototypes;  // empty without masks
  vision::HeadLayout head;
};

/// The output that masks are combined of: float planes of a quarter of the input's sides.
const TensorInfo* find_prototypes(const Engine& engine, const PictureInput& input) {
  for (const TensorInfo& info : engine.outputs())
    if (info.dtype == DType::f32 && info.opt.size() == 4 && info.opt[0] == 1 && info.opt[1] >= 1 &&
        info.opt[1] <= kMostPrototypes && info.opt[2] == (input.height + 3) / 4 && info.opt[3] == (input.width + 3) / 4)
      return &info;
  return nullptr;
}

/// The output that holds the detections: the only one, or the only one that fits a head.
ChosenOutput choose_output(const Engine& engine, const PictureInput& input, const DetectorOptions& options) {
  const auto metadata = engine.metadata();
  const auto value = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  const std::string task = options.task.empty() ? value("task") : options.task;
  const std::string description = value("description"), keypoints = value("kpt_shape");
  const TensorInfo* prototypes = find_prototypes(engine, input);
  const vision::HeadHints hints = {options.head,
                                   task,
                                   description,
                                   options.classes,
                                   prototypes == nullptr ? 0 : static_cast<int>(prototypes->opt[1]),
                                   keypoints};
  std::vector<ChosenOutput> fitting;
  std::optional<Error> refusal;
  for (const TensorInfo& info : engine.outputs()) {
    if (&info == prototypes && engine.outputs().size() > 1) continue;
    try {
      if (info.dtype != DType::f32)
        fail_hint(fmt::format("--io-type {}=f32, with the ONNX file", info.name),
                  "it has the type {}; detections are read as float32", name_of(info.dtype));
      vision::HeadLayout head = vision::identify_head(info.opt, input.width, input.height, hints);
      const bool masks = head.task == vision::Task::segment;
      fitting.push_back({info.name, masks ? prototypes->name : "", std::move(head)});
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
  prototypes_ = std::move(chosen.prototypes);
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

std::vector<vision::Object> Detector::find(const vision::Image& image, StageTimes& times) {
  LapTimer watch;
  prepare(image);
  times.preprocess_ms = watch.lap_ms();
  run(context_);
  times.inference_ms = watch.lap_ms();
  const TensorRef out = context_.output(output_);
  const auto values = [](const TensorRef& tensor) {
    return std::span<const float>(tensor.as<float>(), static_cast<std::size_t>(tensor.numel()));
  };
  vision::HeadOutputs outputs = {values(out), {}};
  if (!prototypes_.empty()) {
    const TensorRef planes = context_.output(prototypes_);
    const auto extent = [&](std::size_t axis) { return static_cast<int>(planes.shape[axis]); };
    outputs.prototypes = {values(planes), extent(1), extent(2), extent(3)};
  }
  auto found = vision::decode_objects(outputs, head_, box_, options_.decode, options_.nms);
  // A score that is NaN is above no threshold, so it shows where nothing is found.
  if (found.empty() && !warned_)
    if (const std::string strange = not_finite(out); !strange.empty()) {
      if (options_.warn) options_.warn(message("warning: the model's output '{}': {}", output_, strange));
      warned_ = true;
    }
  times.postprocess_ms = watch.lap_ms();
  return found;
}

std::vector<vision::Detection> Detector::detect(const vision::Image& image, StageTimes& times) {
  return vision::boxes_of(find(image, times));
}

}  // namespace monza::eval
