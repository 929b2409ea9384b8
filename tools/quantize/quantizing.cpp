#include "tools/quantize/quantizing.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "engine/build_report.h"
#include "engine/integer_share.h"
#include "engine/onnx_export.h"
#include "engine/options_key.h"
#include "engine/placing_graph.h"
#include "eval/command_metric.h"
#include "eval/unlabelled.h"
#include "quant/smoothing.h"
#include "tools/quantize/search_record.h"
#include "tools/quantize/slow_products.h"
#include "tools/quantize/speed.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#ifdef MONZA_WITH_JPEG
#include "eval/picture_samples.h"
#endif

namespace monza::tool {
namespace {

/// Two plans that differ in what they keep are two trials.
std::string named(std::size_t kept) {
  return kept == 0 ? std::string("all in INT8") : fmt::format("{} kept in floats", kept);
}

constexpr double kTimingSeconds = 2;

class Quantizing {
 public:
  explicit Quantizing(const QuantizeOptions& o)
      : o_(o),
        progress_(!o.json && !o.model.quiet()),
        session_(std::make_shared<BuildSession>(o.model.model)),
        floats_(build(nullptr, nullptr)) {}

  QuantizeResult run() {
    FoundRanges found = find_ranges(o_.model, o_.calibration, *session_, floats_, o_.json || o_.model.quiet());
    write_caches(o_.calibration, found.table);
    QuantizationPlan plan = plan_of(found.table);
    if (!o_.eval.empty()) score_floats();
    if (o_.max_drop >= 0) {
      refuse_undecidable();
      table_ = found.table;
      if (!holds(plan, found.table.calibrator + " ranges") && !try_calibrators(plan, found.others) &&
          !repair(plan, found) && !try_finer_weights(plan))
        search(plan);
    }
    result_.quality = quality_of(o_.model, plan, found.histograms);
    build_final(plan);
    keep_slower(plan);
    judge();
    if (o_.exports && result_.holds) write_onnx(plan);
    if (o_.times_trials) time_trials();
    result_.plan = std::move(plan);
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
    const auto open = [this] { return open_samples(o_.eval, 0, o_.model, o_.calibration, floats_); };
    if (!o_.metric.empty()) return eval::open_command_metric(open, o_.metric);
#ifdef MONZA_WITH_JPEG
    const eval::PictureSettings& pictures = o_.calibration.pictures;
    if (!o_.truth.empty()) return eval::open_classified(o_.eval, o_.truth, 0, 0, pictures.classify, note);
    if (!o_.coco.empty()) return eval::open_detected(o_.eval, o_.coco, 0, 0, pictures.labels, pictures.head, note);
#endif
    return eval::open_unlabelled(open);
  }

  void score_floats() {
    if (!o_.calibration.data.empty())
      if (const auto shared = eval::shared_files(o_.calibration.data, o_.eval); !shared.empty())
        throw Error(message("{} of its files are calibrated on, too, first '{}'", shared.size(), shared.front()),
                    "score on samples that --data does not have: those that were calibrated on flatter the result")
            .at(message("--eval '{}'", o_.eval));
    data_ = open_evaluation();
    if (data_->needs_reference()) data_->take_reference(floats_, o_.model.context_options(), [](double) {});
    reference_ = measure(floats_, "scoring floats");
    result_.metric = reference_.metric;
    result_.float_score = reference_.value * points();
    result_.samples = reference_.samples;
    if (!o_.model.quiet()) doubt_channel_order();
  }
  /// A model that is given blue for red scores less than it could, and integers of wrong pictures have wrong ranges.
  void doubt_channel_order() {
    if (!reference_.weighted || !data_->exchange_red_and_blue(true)) return;
    const eval::Accuracy exchanged = measure(floats_, "scoring floats, red and blue exchanged");
    data_->exchange_red_and_blue(false);
    if (eval::difference_interval(exchanged, reference_).low <= 0) return;
    note(fmt::format(
        "warning: with red and blue exchanged the floats score {:.2f} instead of {:.2f}: the model likely "
        "takes its channels in the other order\n  try: {}",
        exchanged.value * points(), result_.float_score,
        o_.coco.empty() ? "--channels bgr (or rgb)" : "--head NAME, each of which has an order of its own"));
  }
  /// What a score of 1 is shown as: a command's number is in units of its own.
  double points() const { return o_.metric.empty() ? 100 : 1; }
  bool out_of_time() {
    result_.out_of_time |= o_.max_seconds > 0 && watch_.ms() > o_.max_seconds * 1e3;
    return result_.out_of_time;
  }

  /// Where one sample more or less decides, samples do not tell a good plan from a lucky one.
  void refuse_undecidable() const {
    const double one = points() / static_cast<double>(std::max<std::int64_t>(result_.samples, 1));
    if (o_.anyway || result_.metric != "top-1" || o_.max_drop == 0 || one <= o_.max_drop) return;
    fail_hint(message("--eval with {} samples or more, a larger --max-drop, or --anyway",
                      static_cast<std::int64_t>(std::ceil(points() / o_.max_drop))),
              "{} samples cannot decide whether {:g} points are lost: one of them is {:.2g}", result_.samples,
              o_.max_drop, one);
  }
  eval::Accuracy measure(const Engine& engine, const std::string& what) {
    return data_->measure(engine, o_.model.context_options(), [&](double f) { progress_.update(what, f); });
  }

  QuantizationPlan plan_of(const quant::CalibrationTable& table) const {
    QuantizationPlan plan = tool::plan_of(table, o_.model.build_options(o_.model.declared_inputs()));
    plan.narrow_pairs &= !finer_weights_;
    return plan;
  }

  /// Whether the contract holds with the plan, `about` which there is something to say. Kernels are not timed: integers
  /// are the same with any.
  bool holds(const QuantizationPlan& plan, const std::string& about = {}) {
    BuildOptions options =
        options_for(std::make_shared<QuantizationPlan>(plan), o_.model.build_options(o_.model.declared_inputs()));
    options.tune = false;
    options.strip = true;
    BuildHooks hooks;
    hooks.weights_in_place = true;
    const Engine engine = session_->build(options, hooks);
    const std::string what = named(plan.kept.size()) + (about.empty() ? std::string() : ", " + about);
    const double score = remembered("score", options, [&] {
      BuildHooks hooks;
      hooks.weights_in_place = true;
      return measure(session_->build(options, hooks), "scoring: " + what).value * points();
    });
    result_.trials.push_back({what, plan, score, 0});
    if (result_.trials.size() == 1) best_score_ = score;
    return result_.float_score - score <= o_.max_drop;
  }

  /// What is known of a build on the samples, or what `measure` says of it. Integers are the same with any kernels and
  /// threads, so what one search has measured holds for another.
  double remembered(const std::string& what, const BuildOptions& options, const std::function<double()>& measure) {
    if (files_ == 0) {
      files_ = hash64(MappedFile::open(o_.model.model)->bytes());
      for (const std::string* path : {&o_.calibration.data, &o_.eval, &o_.coco, &o_.truth, &o_.metric})
        files_ = hash64(*path, files_ ^ hash_of_files(*path));
    }
    const std::uint64_t key = hash64(what + options_key(options), files_);
    if (const auto known = record_.find(key)) return *known;
    const double number = measure();
    record_.add(key, number);
    return number;
  }

  /// Scores a table that might be better; it becomes that of `plan` where it is. True where the contract holds with it.
  bool try_table(QuantizationPlan& plan, const quant::CalibrationTable& table, const std::string& about) {
    const bool enough = holds(plan_of(table), about);
    if (result_.trials.back().score <= best_score_) return false;
    best_score_ = result_.trials.back().score;
    plan = plan_of(table);
    table_ = table;
    write_caches(o_.calibration, table_);
    return enough;
  }

  /// Steps of weights as fine as 8 bits allow, where they were not.
  bool try_finer_weights(QuantizationPlan& plan) {
    if (!plan.narrow_pairs || out_of_time()) return false;
    finer_weights_ = true;
    const bool enough = try_table(plan, table_, table_.calibrator + " ranges, finer weights");
    finer_weights_ = !plan.narrow_pairs;
    return enough;
  }

  /// Before anything is given back to floats: other ranges. Which calibrator is best depends on the model. True as soon
  /// as the contract holds with some.
  bool try_calibrators(QuantizationPlan& plan, const std::vector<quant::CalibrationTable>& tables) {
    for (const quant::CalibrationTable& table : tables) {
      if (out_of_time()) break;
      if (try_table(plan, table, table.calibrator + " ranges")) return true;
    }
    return false;
  }

  /// Then what makes rounding cost less. Each is kept where the score gains by it.
  bool repair(QuantizationPlan& plan, FoundRanges& found) {
    if (!found.means.empty() && !out_of_time()) {
      quant::CalibrationTable corrected = table_;
      corrected.means = found.means;
      if (try_table(plan, corrected, table_.calibrator + " ranges, biases corrected")) return true;
    }
    return !found.reach.empty() && !out_of_time() && smooth(plan, found);
  }
  bool smooth(QuantizationPlan& plan, FoundRanges& found) {
    const BuildOptions options = o_.model.build_options(o_.model.declared_inputs());
    const auto factors = quant::smoothing_factors(*graph_to_place(o_.model.model, options).graph, found.reach);
    if (factors.empty()) return false;
    FoundRanges divided =
        find_divided_ranges(o_.model, o_.calibration, *session_, floats_, o_.json || o_.model.quiet(), factors);
    std::vector<quant::CalibrationTable> tables{std::move(divided.table)};
    tables.insert(tables.end(), divided.others.begin(), divided.others.end());
    bool enough = false;
    for (quant::CalibrationTable& table : tables) {
      if (enough || out_of_time()) break;
      table.means = table_.means;
      enough = try_table(plan, table, table.calibrator + " ranges, smoothed");
    }
    if (!plan.factors.empty()) found.histograms = std::move(divided.histograms);
    return enough;
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
    evaluator.remember([this](const QuantizationPlan& changed, const std::function<double()>& measure) {
      const BuildOptions declared = o_.model.build_options(o_.model.declared_inputs());
      return remembered("error", options_for(std::make_shared<QuantizationPlan>(changed), declared), measure);
    });
    const auto stop = [this] { return out_of_time(); };
    result_.costs = rank_products(evaluator, plan, [&](double f) { progress_.update("ranking nodes", f); }, stop);
    bool first = true;  // of what keep_costliest asks, the plan itself is known not to hold
    const auto asked = [&](const QuantizationPlan& p) { return std::exchange(first, false) ? false : holds(p); };
    if (auto kept = keep_costliest(plan, result_.costs, asked, stop)) plan = std::move(*kept);
  }

  void build_final(const QuantizationPlan& plan) {
    report_ = {};
    report_.seen = result_.quality;  // the engine keeps it
    result_.engine = build(std::make_shared<QuantizationPlan>(plan), &report_);
    result_.integer_share = multiply_adds(*report_.planned).share();
    result_.kept.clear();
    for (const NearMiss& miss : report_.passes.near_misses)
      if (miss.pattern == "integer product") result_.kept.push_back({miss.node, miss.reason});
    const Speeds speeds = measure_speeds(floats_, *result_.engine, o_.model.context_options(), kTimingSeconds);
    result_.float_ms = speeds.first_ms;
    result_.quantised_ms = speeds.second_ms;
  }

  /// Products that integers make slower go back to floats, where the whole gains by it.
  void keep_slower(QuantizationPlan& plan) {
    if (!times_kernels()) return;
    constexpr int kRounds = 3;  // a product's neighbours decide which conversions it needs
    for (int round = 0; round < kRounds && !out_of_time(); ++round) {
      progress_.update("comparing layers", 0);
      const auto slower =
          slower_products(floats_, *result_.engine, report_, o_.model.context_options(), kTimingSeconds);
      QuantizationPlan faster = plan;
      for (const std::string& node : slower) faster.kept.emplace(node, "integers make it slower, conversions included");
      if (faster == plan) return;
      // Another plan rounds otherwise: what more there is in floats need not be nearer to them.
      if (o_.max_drop >= 0 && !holds(faster)) return;
      const Engine before = *result_.engine;
      const QuantizeResult known = result_;
      build_final(faster);
      const Speeds speeds = measure_speeds(before, *result_.engine, o_.model.context_options(), kTimingSeconds);
      if (speeds.ratio() < 1) {
        result_ = known;
        return;
      }
      plan = std::move(faster);
    }
  }

  /// What is not timed is not judged by its time.
  bool times_kernels() const { return o_.model.build_options(o_.model.declared_inputs()).tune; }

  /// Whether the result is worth having.
  void judge() {
    if (data_ != nullptr) {
      const eval::Accuracy got = measure(*result_.engine, "scoring integers");
      result_.quantised_score = got.value * points();
      if (reference_.weighted && got.weighted) {
        eval::Interval interval = eval::difference_interval(reference_, got);
        for (double* v : {&interval.low, &interval.high, &interval.error}) *v *= points();
        result_.drop_interval = interval;
      }
    }
    // With everything in floats any contract holds, and nothing is quantised.
    result_.holds = o_.max_drop < 0 || (result_.drop() <= o_.max_drop && result_.integer_share > 0);
    constexpr double kNoise = 0.97;
    result_.slower = times_kernels() && result_.speedup() < kNoise;
    result_.holds &= !result_.slower || o_.anyway;
  }

  /// How fast what was scored is: each trial is an engine that can be had.
  void time_trials() {
    for (Trial& trial : result_.trials) {
      progress_.update("timing " + trial.what, 0);
      const Engine engine = build(std::make_shared<QuantizationPlan>(trial.plan), nullptr);
      trial.ms = measure_speeds(floats_, engine, o_.model.context_options(), kTimingSeconds / 2).second_ms;
    }
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
  const Stopwatch watch_;
  SearchRecord record_{o_.search_cache};
  std::uint64_t files_ = 0;        ///< a hash of what scores follow from, beside options; 0: not yet taken
  bool finer_weights_ = false;     ///< plans have no narrow pairs
  quant::CalibrationTable table_;  ///< the best so far, and its score
  double best_score_ = 0;
  std::unique_ptr<eval::DataSet> data_;
  eval::Accuracy reference_;  ///< of the floats
  BuildReport report_;        ///< of the last build_final
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
          {"speedup", r.speedup()}};
}

}  // namespace monza::tool
