#include "engine/observer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/error.h"
#include "quant/passes.h"

namespace monza {
namespace {

Engine observing_engine(BuildSession& session, BuildOptions options) {
  options.precision = Precision::fp32;
  options.tune = false;  // a run for each sample is not worth timing kernels
  options.strip = true;
  options.progress = nullptr;
  BuildHooks hooks;
  hooks.pipeline = &quant::observing_pipeline();
  hooks.weights_in_place = true;
  return session.build(options, hooks);
}

}  // namespace

Observer::Observer(BuildSession& session, BuildOptions options)
    : engine_(observing_engine(session, options)), context_(engine_.create_context({.threads = options.threads})) {
  // The model's own outputs are quantised by nobody, unless nodes read them, too: then their ranges do no harm.
  for (const TensorInfo& output : engine_.outputs()) {
    if (output.dtype != DType::f32 || output.kind != ValueKind::tensor) continue;
    if (output.name.starts_with(quant::kConvInput)) conv_inputs_[output.name.substr(quant::kConvInput.size())];
    else if (output.name.starts_with(quant::kMatrixInput))
      matrix_inputs_[output.name.substr(quant::kMatrixInput.size())];
    else histograms_[output.name];
  }
  if (options.quantization != nullptr) factors_ = options.quantization->factors;
}

void Observer::Channels::add(const TensorRef& value, std::size_t axis) {
  const auto channels = static_cast<std::size_t>(value.shape.at(axis));
  if (samples == 0) sum.assign(channels, 0), most.assign(channels, 0);
  if (channels != sum.size() || value.numel() == 0) return;
  std::int64_t inner = 1;
  for (std::size_t a = axis + 1; a < value.shape.size(); ++a) inner *= value.shape[a];
  std::vector<double> of_sample(channels, 0);
  const float* at = value.as<float>();
  for (std::int64_t run = 0; run < value.numel() / inner; ++run) {
    const auto c = static_cast<std::size_t>(run) % channels;
    double of_run = 0;
    float reach = most[c];
    for (const float* end = at + inner; at < end; ++at) {
      of_run += *at;
      reach = std::max(reach, std::abs(*at));
    }
    of_sample[c] += of_run;
    most[c] = reach;
  }
  const double count = static_cast<double>(value.numel()) / static_cast<double>(channels);
  for (std::size_t c = 0; c < channels; ++c) sum[c] += std::nearbyint(of_sample[c] / count * 0x1p30) * 0x1p-30;
  ++samples;
}

void Observer::run(const std::map<std::string, Tensor>& inputs) {
  for (const TensorInfo& input : engine_.inputs()) {
    const auto it = inputs.find(input.name);
    if (it == inputs.end()) fail("a sample has nothing for input '{}'", input.name);
    if (const Status s = context_.bind_input(input.name, it->second); !s)
      throw Error(context_.describe(s)).at(message("input '{}'", input.name));
  }
  if (const Status s = context_.run(); !s) throw Error(context_.describe(s)).at("a run on a sample");
  for (auto& [name, histogram] : histograms_) {
    const TensorRef value = context_.output(name);
    histogram.add(std::span(value.as<float>(), static_cast<std::size_t>(value.numel())));
  }
  for (auto& [name, channels] : conv_inputs_) channels.add(context_.output(std::string(quant::kConvInput) + name), 1);
  for (auto& [name, channels] : matrix_inputs_) {
    const TensorRef value = context_.output(std::string(quant::kMatrixInput) + name);
    channels.add(value, value.shape.size() - 1);
  }
  ++samples_;
}

quant::CalibrationTable Observer::table(quant::Calibrator calibrator) const {
  quant::CalibrationTable table{quant::calibrator_name(calibrator), samples_, {}, factors_, {}};
  for (const auto& [name, histogram] : histograms_)
    if (histogram.count() > 0 && histogram.nan() == 0 && histogram.infinite() == 0)
      table.ranges[name] = quant::calibrate(calibrator, histogram);
  return table;
}

std::map<std::string, std::vector<float>> Observer::means() const {
  std::map<std::string, std::vector<float>> all;
  for (const auto& [name, channels] : conv_inputs_) {
    std::vector<float> means;
    for (const double s : channels.sum) means.push_back(static_cast<float>(s / static_cast<double>(channels.samples)));
    if (!means.empty() && std::all_of(means.begin(), means.end(), [](float m) { return std::isfinite(m); }))
      all[name] = std::move(means);
  }
  return all;
}

std::map<std::string, std::vector<float>> Observer::reach() const {
  std::map<std::string, std::vector<float>> reach;
  for (const auto& [name, channels] : matrix_inputs_)
    if (channels.samples > 0) reach[name] = channels.most;
  return reach;
}

std::vector<std::string> Observer::not_finite() const {
  std::vector<std::string> names;
  for (const auto& [name, histogram] : histograms_)
    if (histogram.nan() > 0 || histogram.infinite() > 0) names.push_back(name);
  return names;
}

}  // namespace monza
