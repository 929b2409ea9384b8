#include "eval/unlabelled.h"

#include <algorithm>

#include "base/error.h"
#include "engine/compare.h"
#include "eval/confidence.h"

namespace monza::eval {

void run_on_sample(const Engine& engine, Context& context, const Sample& sample) {
  std::vector<Tensor> inputs;
  for (const TensorInfo& info : engine.inputs()) {
    const auto it = sample.inputs.find(info.name);
    if (it == sample.inputs.end())
      throw Error(message("it has nothing for the model's input '{}'", info.name),
                  "save every input under its name: numpy.savez(FILE, **{'" + info.name + "': ...})")
          .at(message("sample '{}'", sample.file));
    inputs.push_back(it->second);
  }
  bind_inputs(engine, context, inputs);
  eval::run(context);
}

namespace {

class Unlabelled final : public DataSet {
 public:
  explicit Unlabelled(OpenSamples open) : open_(std::move(open)) {}

  Accuracy measure(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) override {
    Context context = engine.create_context(options), reference = reference_->create_context(options);
    const auto source = open_();
    const std::int64_t total = source->size_estimate();
    Accuracy result;
    result.metric = "cosine";
    std::vector<double> cosines;
    double sum = 0, least = 1;
    for (Sample sample; source->next(sample);) {
      run_on_sample(engine, context, sample);
      run_on_sample(*reference_, reference, sample);
      double furthest = 1;
      for (const TensorInfo& info : engine.outputs())
        if (info.kind == ValueKind::tensor && info.dtype != DType::string)
          furthest = std::min(furthest, compare(context.output(info.name), reference.output(info.name), 0, 0).cosine);
      cosines.push_back(furthest);
      sum += furthest;
      least = std::min(least, furthest);
      ++result.samples;
      if (total > 0) progress(static_cast<double>(result.samples) / static_cast<double>(total));
    }
    if (result.samples == 0) fail("there are no samples to score on");
    result.value = sum / static_cast<double>(result.samples);
    result.further.emplace_back("least cosine", least);
    result.weighted = weighted_mean(std::move(cosines));
    return result;
  }

  bool needs_reference() const override { return true; }
  void take_reference(const Engine& engine, const ContextOptions&, const ProgressFn&) override { reference_ = engine; }
  std::map<std::string, Tensor> example(const std::vector<ModelInput>&) const override { return {}; }

 private:
  OpenSamples open_;
  std::optional<Engine> reference_;
};

}  // namespace

std::unique_ptr<DataSet> open_unlabelled(OpenSamples open) { return std::make_unique<Unlabelled>(std::move(open)); }

}  // namespace monza::eval
