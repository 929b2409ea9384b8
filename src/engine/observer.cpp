#include "engine/observer.h"

#include <span>

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
  for (const TensorInfo& output : engine_.outputs())
    if (output.dtype == DType::f32 && output.kind == ValueKind::tensor) histograms_[output.name];
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
  ++samples_;
}

quant::CalibrationTable Observer::table(quant::Calibrator calibrator) const {
  quant::CalibrationTable table{quant::calibrator_name(calibrator), samples_, {}};
  for (const auto& [name, histogram] : histograms_)
    if (histogram.count() > 0 && histogram.nan() == 0 && histogram.infinite() == 0)
      table.ranges[name] = quant::calibrate(calibrator, histogram);
  return table;
}

std::vector<std::string> Observer::not_finite() const {
  std::vector<std::string> names;
  for (const auto& [name, histogram] : histograms_)
    if (histogram.nan() > 0 || histogram.infinite() > 0) names.push_back(name);
  return names;
}

}  // namespace monza
