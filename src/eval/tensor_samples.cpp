#include "eval/data_set.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "engine/compare.h"
#include "eval/run.h"
#include "eval/tensor_files.h"
#include "io/npy.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::eval {
namespace {

/// Counts rows along the last axis whose largest element is at the same place.
struct Agreement {
  std::int64_t rows = 0, equal = 0;

  void add(const TensorRef& got, const TensorRef& want) {
    if (got.shape != want.shape || got.shape.empty() || !is_float(got.dtype) || got.dtype != want.dtype) return;
    const std::int64_t width = got.shape.back();
    if (width < 2) return;
    for (std::int64_t begin = 0; begin < got.numel(); begin += width) {
      ++rows;
      equal += largest(got, begin, width) == largest(want, begin, width);
    }
  }
  double share() const { return rows > 0 ? static_cast<double>(equal) / static_cast<double>(rows) : 0; }

 private:
  static std::int64_t largest(const TensorRef& t, std::int64_t begin, std::int64_t width) {
    const ElementAccess& access = element_access(t.dtype);
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < width; ++i)
      if (access.load(t.data, begin + i) > access.load(t.data, begin + best)) best = i;
    return best;
  }
};

/// One float output [items, classes]: the class with the largest score is what counts.
bool gives_scores(const Engine& engine) {
  const auto& outputs = engine.outputs();
  return outputs.size() == 1 && is_float(outputs[0].dtype) && !outputs[0].opt.empty() && outputs[0].opt.size() <= 2 &&
         outputs[0].opt.back() > 1;
}

class TensorSamples final : public DataSet {
 public:
  TensorSamples(const std::string& source, std::int64_t most, const std::vector<ModelInput>& inputs) {
    for (const auto& file : tensor_files(source, most)) samples_.push_back(read_tensor_sample(file, inputs));
  }

  Accuracy measure(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) override {
    Context context = engine.create_context(options);
    Agreement agreement;
    double sum = 0, least = 1;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      run(engine, context, samples_[s]);
      const double cosine = compare_outputs(engine, context, samples_[s], agreement);
      sum += cosine;
      least = std::min(least, cosine);
      progress(static_cast<double>(s + 1) / static_cast<double>(samples_.size()));
    }
    const std::pair<std::string, double> top("top-1 agreement", agreement.share()),
        mean("cosine", sum / static_cast<double>(samples_.size()));
    const bool scores = gives_scores(engine);
    Accuracy result;
    result.metric = scores ? top.first : mean.first;
    result.value = scores ? top.second : mean.second;
    if (scores) result.further.push_back(mean);
    result.further.emplace_back("least cosine", least);
    result.samples = static_cast<std::int64_t>(samples_.size());
    return result;
  }

  bool needs_reference() const override {
    return std::any_of(samples_.begin(), samples_.end(), [](const TensorSample& s) { return s.answers.empty(); });
  }
  void take_reference(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) override {
    Context context = engine.create_context(options);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      run(engine, context, samples_[s]);
      for (const TensorInfo& info : engine.outputs())
        if (info.kind == ValueKind::tensor && info.dtype != DType::string)
          samples_[s].answers.insert_or_assign(info.name, Tensor::copy_of(context.output(info.name)));
      progress(static_cast<double>(s + 1) / static_cast<double>(samples_.size()));
    }
  }

  std::map<std::string, Tensor> example(const std::vector<ModelInput>&) const override { return samples_[0].inputs; }

 private:
  static void run(const Engine& engine, Context& context, const TensorSample& sample) {
    std::vector<Tensor> inputs;
    for (const TensorInfo& info : engine.inputs()) {
      const auto it = sample.inputs.find(info.name);
      if (it == sample.inputs.end())
        throw Error(message("it has no array for the model's input '{}'", info.name),
                    "save every input under its name: numpy.savez(FILE, **{'" + info.name + "': ...})")
            .at("sample '" + sample.file + "'");
      inputs.push_back(it->second);
    }
    try {
      bind_inputs(engine, context, inputs);
      eval::run(context);
    } catch (const RunError& e) {
      throw RunError(message("sample '{}': {}", sample.file, e.what()));
    }
  }

  /// The cosine of the output that is furthest from its answer.
  static double compare_outputs(const Engine& engine, Context& context, const TensorSample& sample,
                                Agreement& agreement) {
    double least = 2;
    std::string names;
    for (const TensorInfo& info : engine.outputs()) {
      names += (names.empty() ? "'" : ", '") + info.name + "'";
      const auto answer = sample.answers.find(info.name);
      if (answer == sample.answers.end()) continue;
      const TensorRef got = context.output(info.name);
      const Tensor want = io::as_model_type(answer->second, got.dtype);
      const Comparison c = compare(got, want, 0, 0);
      if (std::isnan(c.max_abs_error) && got.shape != want.shape())
        throw Error(message("output '{}' has the shape {}, the answer {}", info.name, extents_text(got.shape),
                            extents_text(want.shape())))
            .at("sample '" + sample.file + "'");
      least = std::min(least, c.cosine);
      agreement.add(got, want);
    }
    if (least > 1.5)
      throw Error("none of its arrays is named as an input or output of the model",
                  "name the expected arrays as the outputs: " + names)
          .at("sample '" + sample.file + "'");
    return least;
  }

  std::vector<TensorSample> samples_;
};

}  // namespace

std::unique_ptr<DataSet> open_tensors(const std::string& source, std::int64_t samples,
                                      const std::vector<ModelInput>& inputs) {
  return std::make_unique<TensorSamples>(source, samples, inputs);
}

}  // namespace monza::eval
