#include "tools/quantize/quantizing.h"

#include <algorithm>

#include "base/error.h"
#include "engine/build_report.h"
#include "engine/integer_share.h"
#include "engine/onnx_export.h"
#include "eval/unlabelled.h"
#include "tools/quantize/speed.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#ifdef MONZA_WITH_JPEG
#include "eval/picture_samples.h"
#endif

namespace monza::tool {
namespace {

constexpr double kPoints = 100;

class Quantizing {
 public:
  explicit Quantizing(const QuantizeOptions& o)
      : o_(o),
        progress_(!o.json && !o.model.quiet()),
        session_(std::make_shared<BuildSession>(o.model.model)),
        floats_(build(nullptr, nullptr)) {}

  QuantizeResult run() {
    QuantizationPlan plan{find_ranges(o_.model, o_.calibration, *session_, floats_, o_.json || o_.model.quiet()), {}};
    if (!o_.eval.empty()) score_floats();
    if (o_.max_drop >= 0 && !holds(plan)) search(plan);
    build_final(plan);
    if (o_.exports && result_.holds) write_onnx(plan);
    progress_.clear();
    return std::move(result_);
  }

 private:
  BuildOptions options_for(std::shared_ptr<const QuantizationPlan> plan, BuildOptions options) const {
    // Another precision that was asked for is that of what stays in floats.
    if (plan == nullptr) options.precision = Precision::fp32;
    else if (options.precision == Precision::fp32) options.precision = Precision::int8;
    options.quantization = std::move(plan);
#ifdef MONZA_WITH_JPEG
    for (const auto& [key, value] : o_.calibration.pictures.classify.to_metadata()) options.metadata[key] = value;
#endif
    return options;
  }
  Engine build(std::shared_ptr<const QuantizationPlan> plan, BuildReport* report) {
    BuildHooks hooks;
    hooks.session = session_;
    hooks.report = report;
    return o_.model
        .open([&](BuildOptions& options) { options = options_for(std::move(plan), std::move(options)); }, &hooks)
        .engine;
  }

  std::unique_ptr<eval::DataSet> open_evaluation() {
#ifdef MONZA_WITH_JPEG
    const eval::PictureSettings& pictures = o_.calibration.pictures;
    if (!o_.truth.empty()) return eval::open_classified(o_.eval, o_.truth, 0, 0, pictures.classify, note);
    if (!o_.coco.empty()) return eval::open_detected(o_.eval, o_.coco, 0, 0, pictures.labels, pictures.head, note);
#endif
    return eval::open_unlabelled([this] { return open_samples(o_.eval, 0, o_.model, o_.calibration, floats_); });
  }

  void score_floats() {
    if (!o_.calibration.data.empty())
      if (const auto shared = eval::shared_files(o_.calibration.data, o_.eval); !shared.empty())
        throw Error(message("{} of its files are calibrated on, too, first '{}'", shared.size(), shared.front()),
                    "score on samples that --data does not have: those that were calibrated on flatter the result")
            .at(message("--eval '{}'", o_.eval));
    data_ = open_evaluation();
    if (data_->needs_reference()) data_->take_reference(floats_, o_.model.context_options(), [](double) {});
    const eval::Accuracy a = measure(floats_, "scoring floats");
    result_.metric = a.metric;
    result_.float_score = a.value * kPoints;
    result_.samples = a.samples;
  }
  eval::Accuracy measure(const Engine& engine, const std::string& what) {
    return data_->measure(engine, o_.model.context_options(), [&](double f) { progress_.update(what, f); });
  }

  /// Whether the contract holds with the plan. Kernels are not timed: integers are the same with any.
  bool holds(const QuantizationPlan& plan) {
    BuildOptions options =
        options_for(std::make_shared<QuantizationPlan>(plan), o_.model.build_options(o_.model.declared_inputs()));
    options.tune = false;
    options.strip = true;
    BuildHooks hooks;
    hooks.weights_in_place = true;
    const Engine engine = session_->build(options, hooks);
    const double lost =
        result_.float_score -
        measure(engine, fmt::format("scoring with {} kept in floats", plan.kept.size())).value * kPoints;
    return lost <= o_.max_drop;
  }

  /// Keeps in floats what costs most, until the contract holds; where it never does, the plan stays as it is.
  void search(QuantizationPlan& plan) {
    constexpr std::int64_t kSamples = 4;  // errors of few samples rank as those of many do
    const std::string& source = o_.calibration.data.empty() ? o_.eval : o_.calibration.data;
    std::vector<std::map<std::string, Tensor>> samples;
    const auto opened = open_samples(source, kSamples, o_.model, o_.calibration, floats_);
    for (eval::Sample sample; opened->next(sample);) {
      auto& copy = samples.emplace_back();
      for (const auto& [name, tensor] : sample.inputs) copy.emplace(name, Tensor::copy_of(tensor));
    }
    PlanEvaluator evaluator(session_, o_.model.build_options(o_.model.declared_inputs()), std::move(samples));
    result_.costs = rank_products(evaluator, plan, [&](double f) { progress_.update("ranking nodes", f); });
    if (auto kept = keep_costliest(plan, result_.costs, [&](const QuantizationPlan& p) { return holds(p); }))
      plan = std::move(*kept);
  }

  void build_final(const QuantizationPlan& plan) {
    BuildReport report;
    result_.engine = build(std::make_shared<QuantizationPlan>(plan), &report);
    result_.integer_share = multiply_adds(*report.planned).share();
    for (const NearMiss& miss : report.passes.near_misses)
      if (miss.pattern == "integer product") result_.kept.push_back({miss.node, miss.reason});
    constexpr double kSeconds = 2;
    result_.speedup = measure_speeds(floats_, *result_.engine, o_.model.context_options(), kSeconds).ratio();
    if (data_ == nullptr) return;
    result_.quantised_score = measure(*result_.engine, "scoring integers").value * kPoints;
    // With everything in floats any contract holds, and nothing is quantised.
    result_.holds = o_.max_drop < 0 || (result_.drop() <= o_.max_drop && result_.integer_share > 0);
  }

  void write_onnx(const QuantizationPlan& plan) {
    progress_.update("writing ONNX", 0);
    OnnxExport written = export_quantized(o_.model.model, o_.model.build_options(o_.model.declared_inputs()), plan);
    for (const std::string& left : written.left_in_floats) note("warning: in floats in the ONNX file: " + left);
    result_.onnx = std::move(written.bytes);
  }

  const QuantizeOptions& o_;
  Progress progress_;
  std::shared_ptr<BuildSession> session_;
  Engine floats_;
  std::unique_ptr<eval::DataSet> data_;
  QuantizeResult result_;
};

}  // namespace

QuantizeResult quantize(const QuantizeOptions& options) { return Quantizing(options).run(); }

Json to_json(const QuantizeResult& r) {
  Json kept = Json::array();
  for (const KeptNode& k : r.kept) kept.push_back({{"node", k.node}, {"precision", "fp32"}, {"why", k.why}});
  const auto score = [&](double value) { return r.metric.empty() ? Json(nullptr) : Json(value); };
  return {{"metric", r.metric.empty() ? Json(nullptr) : Json(r.metric)},
          {"float", score(r.float_score)},
          {"quantised", score(r.quantised_score)},
          {"drop", score(r.drop())},
          {"samples", r.samples},
          {"int8_macs", r.integer_share},
          {"kept", kept},
          {"speedup", r.speedup}};
}

}  // namespace monza::tool
