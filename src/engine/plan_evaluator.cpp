#include "engine/plan_evaluator.h"

#include <cmath>
#include <string_view>

#include "base/error.h"
#include "ir/op.h"
#include "quant/sites.h"

namespace monza {
namespace {

struct ErrorMean {
  double sum = 0;
  std::int64_t count = 0;

  /// Adds the relative error of every channel of an output.
  void add(const TensorRef& got, const TensorRef& want) {
    const std::size_t rank = want.shape.size();
    const std::int64_t channels = rank >= 3 ? want.shape[1] : 1;
    std::int64_t inner = 1;
    for (std::size_t a = 2; a < rank; ++a) inner *= want.shape[a];
    if (rank < 3) inner = want.numel();
    if (got.shape != want.shape || want.numel() == 0) return;
    std::vector<double> error(static_cast<std::size_t>(channels), 0), size = error;
    const auto *a = got.as<float>(), *b = want.as<float>();
    for (std::int64_t i = 0; i < want.numel(); ++i) {
      const auto c = static_cast<std::size_t>(i / inner % channels);
      const double difference = static_cast<double>(a[i]) - b[i];
      // What is not finite where the floats are is as wrong as can be.
      error[c] += std::isfinite(difference) || !std::isfinite(b[i]) ? difference * difference : HUGE_VAL;
      size[c] += static_cast<double>(b[i]) * b[i];
    }
    for (std::size_t c = 0; c < error.size(); ++c) {
      constexpr double kTiny = 1e-12;
      sum += error[c] / (size[c] + kTiny);
      ++count;
    }
  }
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0; }
};

bool counts(const TensorInfo& info) { return info.kind == ValueKind::tensor && info.dtype == DType::f32; }

}  // namespace

PlanEvaluator::PlanEvaluator(std::shared_ptr<BuildSession> session, BuildOptions options,
                             std::vector<std::map<std::string, Tensor>> samples)
    : session_(std::move(session)), options_(std::move(options)), samples_(std::move(samples)) {
  options_.tune = false;  // integer kernels give equal bits, whichever is chosen
  options_.strip = true;
  options_.progress = nullptr;
  const Engine engine = build(nullptr, nullptr);
  Context context = engine.create_context({.threads = options_.threads});
  for (const auto& sample : samples_) wanted_.push_back(run(context, engine, sample));
}

Engine PlanEvaluator::build(const QuantizationPlan* plan, BuildReport* report) {
  BuildOptions options = options_;
  options.precision = plan != nullptr ? Precision::int8 : Precision::fp32;
  options.quantization = plan != nullptr ? std::make_shared<QuantizationPlan>(*plan) : nullptr;
  BuildHooks hooks;
  hooks.report = report;
  hooks.weights_in_place = true;
  ++builds_;
  return session_->build(options, hooks);
}

PlanEvaluator::Outputs PlanEvaluator::run(Context& context, const Engine& engine,
                                          const std::map<std::string, Tensor>& sample) {
  for (const TensorInfo& input : engine.inputs()) {
    const auto it = sample.find(input.name);
    if (it == sample.end()) fail("a sample has nothing for input '{}'", input.name);
    if (const Status s = context.bind_input(input.name, it->second); !s)
      throw Error(context.describe(s)).at(message("input '{}'", input.name));
  }
  if (const Status s = context.run(); !s) throw Error(context.describe(s)).at("a run on a sample");
  Outputs outputs;
  for (std::size_t k = 0; k < engine.outputs().size(); ++k)
    if (counts(engine.outputs()[k])) outputs.push_back(Tensor::copy_of(context.output(k)));
  return outputs;
}

double PlanEvaluator::error(const QuantizationPlan& plan) {
  if (!memo_) return measured_error(plan);
  return memo_(plan, [&] { return measured_error(plan); });
}

double PlanEvaluator::measured_error(const QuantizationPlan& plan) {
  const Engine engine = build(&plan, nullptr);
  Context context = engine.create_context({.threads = options_.threads});
  ErrorMean mean;
  for (std::size_t s = 0; s < samples_.size(); ++s) {
    const Outputs got = run(context, engine, samples_[s]);
    for (std::size_t k = 0; k < got.size(); ++k) mean.add(got[k], wanted_[s][k]);
  }
  return mean.mean();
}

std::vector<std::string> PlanEvaluator::integer_products(const QuantizationPlan& plan) {
  BuildReport report;
  build(&plan, &report);
  std::vector<std::string> names;
  for (const ir::NodeId id : report.planned->order()) {
    const ir::Node& node = std::as_const(*report.planned).node(id);
    const std::string_view op = node.op->name;
    if (op == "QConv" || op == "QMatMul") names.push_back(quant::product_name(*report.planned, node));
  }
  return names;
}

}  // namespace monza
