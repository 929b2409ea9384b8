// Engine::build and build sessions: from a model file to an engine, stage by stage.
#include <algorithm>
#include <chrono>

#include "backend/device.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/build_record.h"
#include "engine/compile.h"
#include "engine/file/image.h"
#include "engine/import_model.h"
#include "engine/pass_stages.h"
#include "engine/run/engine_impl.h"
#include "engine/session.h"
#include "passes/pass.h"
#include "plan/options.h"
#include "quant/passes.h"

namespace monza {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// An engine file's own graph, planned for this machine with what the options say of planning.
Engine build_anew(const std::string& engine_path, BuildOptions options) {
  const engine_file::Image image = engine_file::read_engine(engine_path, {});
  if (image.graph.empty())
    throw Error("it was built with --strip, so it carries no graph to plan anew", "build it from its ONNX file")
        .at(fmt::format("engine file '{}'", engine_path));
  const auto begin = Clock::now();
  options = options_to_replan(image, std::move(options));
  BuildReport report = read_record(image, options.limits);
  Engine::Stats stats;
  stats.import_ms = ms_since(begin);
  if (options.progress) options.progress("plan", 0.1);
  const auto plan_begin = Clock::now();
  engine_file::Image fresh = compile(*report.planned, options, image.info.profiles, report);
  stats.plan_ms = ms_since(plan_begin);
  if (options.progress) options.progress("done", 1);
  return make_engine(std::move(fresh), stats);
}

void refuse_unsupported(const BuildOptions& options) {
  (void)backend::open_device(options.device);  // says why there is none
  if (options.precision == Precision::int8 && options.quantization == nullptr)
    fail_hint(
        "`monza quantize MODEL --data FOLDER`, or --precision fp32, with which a model that is quantised already "
        "computes in INT8, too",
        "INT8 of a float model needs ranges of its values (BuildOptions::quantization), and none are given");
  if (options.precision == Precision::fp16 && options.device != Device::cuda)
    fail_hint("--precision fp32, or bf16 where `monza doctor` lists it", "no CPU kernel computes in fp16");
  const Isa isa = plan::isa_of(options);
  if (options.precision == Precision::bf16 && !covers(isa, Isa::avx512bf16))
    fail_hint("--precision fp32", "bf16 needs a CPU with AVX512_BF16; this one ({}) is used with {}", cpu_info().model,
              isa_name(isa));
}

}  // namespace

/// With `keep`, what a build makes is there for the next; without, one build is made, and nothing is copied for
/// another.
struct BuildSession::Impl {
  std::string path;
  bool keep = true;
  std::string imported_for;  ///< import_key; "": nothing is imported
  std::shared_ptr<ImportedModel> model;
  PassStages stages;
  CompileShared shared;
  Work last;

  void import_once(const BuildOptions& options, const BuildHooks& hooks) {
    const std::string key = import_key(options, hooks.fed_initializers);
    if (model != nullptr && key == imported_for) return;
    model.reset();
    stages.clear();
    last.imported = true;
    model = std::make_shared<ImportedModel>(import_model(path, options, hooks.fed_initializers));
    imported_for = key;
  }

  /// The graph after the passes, for this build alone.
  std::unique_ptr<ir::Graph> run_passes_on_model(const BuildOptions& options, const BuildHooks& hooks,
                                                 PassReport& report) {
    const auto& passes = hooks.pipeline != nullptr         ? *hooks.pipeline
                         : options.quantization != nullptr ? quant::quantising_pipeline()
                                                           : pipeline();
    if (!keep) {
      // Without another build the graph is free to take, and what the passes replace is freed.
      auto graph = hooks.report != nullptr ? model->graph->clone() : std::move(model->graph);
      report = run_passes_constrained(*graph, model->tensors, passes, options);
      return graph;
    }
    PassStages::Result result = stages.run(*model, passes, options);
    report = std::move(result.report);
    last.passes = result.passes_run;
    return std::move(result.graph);
  }
};

BuildSession::BuildSession(std::string model_path) : BuildSession(std::move(model_path), true) {}
BuildSession::BuildSession(std::string model_path, bool keep) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(model_path);
  impl_->keep = keep;
}
BuildSession::~BuildSession() = default;
const BuildSession::Work& BuildSession::last() const { return impl_->last; }
const std::string& BuildSession::model_path() const { return impl_->path; }

Engine BuildSession::build(const BuildOptions& options, const BuildHooks& hooks) {
  Impl& s = *impl_;
  s.last = {};
  const auto progress = [&](std::string_view stage, double fraction) {
    if (options.progress) options.progress(stage, fraction);
  };
  if (engine_file::is_engine_file(s.path)) return build_anew(s.path, options);
  refuse_unsupported(options);
  BuildReport unasked;
  BuildReport& report = hooks.report != nullptr ? *hooks.report : unasked;

  Engine::Stats stats;
  progress("import", 0);
  auto begin = Clock::now();
  s.import_once(options, hooks);
  if (hooks.report != nullptr) report.imported = std::shared_ptr<const ir::Graph>(s.model, s.model->graph.get());
  report.tensors = s.model->tensors;
  report.carried = s.model->carried;
  stats.import_ms = ms_since(begin);

  progress("passes", 0.1);
  begin = Clock::now();
  std::unique_ptr<ir::Graph> graph = s.run_passes_on_model(options, hooks, report.passes);
  if (hooks.before_plan) hooks.before_plan(*graph);
  if (options.optimize) log(LogLevel::info, "{}", to_string(report.passes, true));
  stats.passes_ms = ms_since(begin);

  progress("plan", 0.2);
  begin = Clock::now();
  const std::int64_t weights = s.shared.weights.made_bytes();
  s.shared.in_place = hooks.weights_in_place;
  engine_file::Image image = compile(*graph, options, s.model->profiles, report, s.keep ? &s.shared : nullptr);
  s.last.new_weights = s.shared.weights.made_bytes() - weights;
  s.last.timed_kernels = s.shared.timed;
  if (hooks.report != nullptr) report.planned = std::move(graph);
  stats.plan_ms = ms_since(begin);
  Engine engine = make_engine(std::move(image), stats);
  progress("done", 1);
  return engine;
}

Engine build_engine(const std::string& model_path, const BuildOptions& options, const BuildHooks& hooks) {
  return BuildSession(model_path, false).build(options, hooks);
}

Engine Engine::build(const std::string& model_path, const BuildOptions& options) {
  return build_engine(model_path, options, {});
}

}  // namespace monza
