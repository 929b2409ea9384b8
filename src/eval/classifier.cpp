#include "eval/classifier.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "eval/tensors.h"

namespace monza::eval {
namespace {

constexpr const char* kMean = "monza.classify.mean";
constexpr const char* kStd = "monza.classify.std";
constexpr const char* kResize = "monza.classify.resize";
constexpr const char* kCrop = "monza.classify.crop";
constexpr const char* kChannels = "monza.classify.channels";

constexpr const char* kGiveAgain =
    "build the engine again, or say what it stands for: --mean, --std, --resize, --crop, --channels";

std::string list_text(const std::vector<float>& values) {
  std::string text;
  for (const float v : values) text += fmt::format("{}{}", text.empty() ? "" : ",", v);
  return text;
}

std::vector<float> parse_list(std::string_view text, const char* key) {
  std::vector<float> values;
  while (!text.empty()) {
    float value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) fail_hint(kGiveAgain, "the engine's metadata {} is no list of numbers: '{}'", key, text);
    values.push_back(value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(',')) text.remove_prefix(1);
  }
  return values;
}

int parse_int(std::string_view text, const char* key) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    fail_hint(kGiveAgain, "the engine's metadata {} is no number: '{}'", key, text);
  return value;
}

std::string parse_channels(const std::string& text) {
  if (text != "rgb" && text != "bgr")
    fail_hint(kGiveAgain, "the engine's metadata {} is neither rgb nor bgr: '{}'", kChannels, text);
  return text;
}

/// Pixels are 0..1 before mean and std apply; what is written for 0..255 would leave next to nothing of a picture.
void check_scale(const std::vector<float>& values, const char* what) {
  constexpr float kMost = 2;
  for (const float v : values)
    if (!(std::abs(v) <= kMost))
      throw SettingsError(message("{} {} is in units of 0..255, and pixels are 0..1 here", what, v),
                          fmt::format("{} {:.3g}, which is that over 255", what, v / 255));
}

/// Three values, or one for all three channels.
std::array<float, 3> per_channel(const std::vector<float>& values, const char* what) {
  check_scale(values, what);
  if (values.size() == 1) return {values[0], values[0], values[0]};
  if (values.size() != 3) throw SettingsError(message("{} takes one value or three, not {}", what, values.size()));
  return {values[0], values[1], values[2]};
}

}  // namespace

std::map<std::string, std::string> ClassifySettings::to_metadata() const {
  std::map<std::string, std::string> metadata;
  if (!mean.empty()) metadata[kMean] = list_text(mean);
  if (!std.empty()) metadata[kStd] = list_text(std);
  if (resize >= 0) metadata[kResize] = fmt::format("{}", resize);
  if (crop >= 0) metadata[kCrop] = fmt::format("{}", crop);
  if (!channels.empty()) metadata[kChannels] = channels;
  return metadata;
}

Classifier::Classifier(const Engine& engine, const ContextOptions& context, const ClassifySettings& said, WarnFn warn)
    : input_(picture_input(engine)),
      warn_(std::move(warn)),
      tensor_(input_.dtype, input_.shape),
      context_(engine.create_context(context)) {
  const auto& outputs = engine.outputs();
  std::string seen;
  for (const TensorInfo& info : outputs)
    seen += fmt::format("{}{} [{}]", seen.empty() ? "" : ", ", info.name, extents_text(info.opt));
  const auto elements = [](const TensorInfo& info) {
    return std::accumulate(info.opt.begin(), info.opt.end(), std::int64_t{1}, std::multiplies<>());
  };
  // [classes], [1, classes] or with further sides of 1: one side alone is longer than 1.
  const auto is_scores = [&](const TensorInfo& info) {
    return info.dtype == DType::f32 && !info.opt.empty() && elements(info) > 1 &&
           *std::max_element(info.opt.begin(), info.opt.end()) == elements(info);
  };
  if (outputs.size() != 1 || !is_scores(outputs[0]))
    fail_hint("a model with one float output [1, classes], or --outputs NAME; detectors go to 'monza detect'",
              "the model's outputs are not the scores of classes: {}", seen);
  output_ = outputs[0].name;
  classes_ = static_cast<int>(elements(outputs[0]));
  settle(engine, said);
  check(context_, context_.bind_input(input_.name, tensor_));
}

void Classifier::settle(const Engine& engine, const ClassifySettings& said) {
  ClassifySettings s = said;
  const auto metadata = engine.metadata();
  const auto find = [&](const char* key) -> const std::string* {
    const auto found = metadata.find(key);
    return found == metadata.end() ? nullptr : &found->second;
  };
  if (const auto* text = find(kMean); text && s.mean.empty()) s.mean = parse_list(*text, kMean);
  if (const auto* text = find(kStd); text && s.std.empty()) s.std = parse_list(*text, kStd);
  if (const auto* text = find(kResize); text && s.resize < 0) s.resize = parse_int(*text, kResize);
  if (const auto* text = find(kCrop); text && s.crop < 0) s.crop = parse_int(*text, kCrop);
  if (const auto* text = find(kChannels); text && s.channels.empty()) s.channels = parse_channels(*text);

  // Ultralytics' classifiers take 0..1 as it is and crop all of the short side; it signs its exports.
  const auto* author = find("author");
  const bool ultralytics = author && *author == "Ultralytics";
  normalization_ = ultralytics ? vision::Normalization{} : vision::imagenet_normalization();
  if (!s.mean.empty()) normalization_.mean = per_channel(s.mean, "mean");
  if (!s.std.empty()) normalization_.std = per_channel(s.std, "std");
  if (std::any_of(normalization_.std.begin(), normalization_.std.end(), [](float v) { return !(v > 0); }))
    throw SettingsError("std takes values above 0");
  normalization_.layout = input_.layout;
  if (s.channels == "bgr") {  // mean and std are said of R, G, B
    normalization_.order = vision::ChannelOrder::bgr;
    std::swap(normalization_.mean[0], normalization_.mean[2]);
    std::swap(normalization_.std[0], normalization_.std[2]);
  }

  const int side = std::min(input_.width, input_.height);
  geometry_.crop_width = input_.width, geometry_.crop_height = input_.height;
  if (s.crop >= 0 && (s.crop != input_.width || s.crop != input_.height))
    throw SettingsError(
        message("crop {} does not give the model's input of {}x{}", s.crop, input_.width, input_.height),
        "leave it out");
  geometry_.resize = s.resize >= 0 ? s.resize : ultralytics ? side : (side * 256 + 112) / 224;
}

std::string Classifier::describe() const {
  const auto& n = normalization_;
  return fmt::format("short side to {}, centre {}x{}, mean {},{},{}, std {},{},{}{}", geometry_.resize,
                     geometry_.crop_width, geometry_.crop_height, n.mean[0], n.mean[1], n.mean[2], n.std[0], n.std[1],
                     n.std[2], n.order == vision::ChannelOrder::bgr ? " of B,G,R" : "");
}

void to_probabilities(std::vector<float>& values) {
  if (values.empty()) return;
  double sum = 0;
  bool within = true;
  for (const float v : values) {
    sum += v;
    within = within && v >= 0 && v <= 1;
  }
  if (within && std::abs(sum - 1) < 1e-2) return;
  const float peak = *std::max_element(values.begin(), values.end());
  sum = 0;
  for (float& v : values) sum += v = std::exp(v - peak);
  for (float& v : values) v = static_cast<float>(v / sum);
}

const Tensor& Classifier::prepare(const vision::Image& image) {
  const auto elements = static_cast<std::size_t>(tensor_.numel());
  if (input_.dtype == DType::u8)
    vision::classify_input(image, geometry_, normalization_, std::span(tensor_.as<std::uint8_t>(), elements));
  else vision::classify_input(image, geometry_, normalization_, std::span(tensor_.as<float>(), elements));
  return tensor_;
}

std::vector<ClassScore> Classifier::classify(const vision::Image& image, std::size_t count, StageTimes& times) {
  LapTimer watch;
  prepare(image);
  times.preprocess_ms = watch.lap_ms();
  run(context_);
  times.inference_ms = watch.lap_ms();
  const TensorRef out = context_.output(output_);
  std::vector<float> scores(out.as<float>(), out.as<float>() + out.numel());
  if (const std::string strange = not_finite(out); !strange.empty() && !warned_) {
    if (warn_) warn_(message("warning: the model's output '{}': {}", output_, strange));
    warned_ = true;
  }
  to_probabilities(scores);
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  count = std::min(count, order.size());
  const auto score = [&](int id) {
    const float value = scores[static_cast<std::size_t>(id)];
    return std::isnan(value) ? -1.0F : value;  // sorting needs an order
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](int a, int b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  std::vector<ClassScore> best;
  for (std::size_t i = 0; i < count; ++i) best.push_back({order[i], score(order[i])});
  times.postprocess_ms = watch.lap_ms();
  return best;
}

}  // namespace monza::eval
