// Engine::build: from a model file to an engine, stage by stage.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "base/log.h"
#include "engine/build_report.h"
#include "engine/file/image.h"
#include "engine/io_types.h"
#include "engine/run/engine_impl.h"
#include "import/onnx/onnx_import.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "plan/planner.h"
#include "plan/tactics.h"

namespace monza {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Extents that are equal in min, opt and max are fixed at import; the others stay symbols with ranges.
OnnxImportOptions import_options(const BuildOptions& options) {
  OnnxImportOptions import;
  import.outputs = options.outputs;
  import.element_values = options.shape_values;
  for (const auto& [name, profile] : options.shapes) {
    const std::vector<std::int64_t>& max = profile.max.empty() ? profile.opt : profile.max;
    if ((!profile.min.empty() && profile.min.size() != max.size()) ||
        (!profile.opt.empty() && profile.opt.size() != max.size()))
      fail("the profile of input '{}' has shapes of different ranks", name);
    std::vector<std::int64_t> fixed(max.size(), -1);
    for (std::size_t a = 0; a < max.size(); ++a) {
      const std::int64_t low = profile.min.empty() ? max[a] : profile.min[a];
      if (low > max[a]) fail("the profile of input '{}' has min {} above max {} on axis {}", name, low, max[a], a);
      if (low == max[a]) fixed[a] = max[a];
    }
    import.shapes[name] = std::move(fixed);
    import.bounds[name] = max;
  }
  return import;
}

std::map<std::string, plan::SymbolRange> symbol_ranges(const ir::Graph& graph, const BuildOptions& options) {
  std::map<std::string, plan::SymbolRange> ranges;
  std::string missing, suggestion;
  for (const ir::ValueId id : graph.inputs()) {
    const ir::Value& value = graph.value(id);
    const auto profile = options.shapes.find(value.name);
    bool unknown = false;
    for (std::size_t a = 0; a < value.type.shape.size(); ++a) {
      const ir::Expr& e = value.type.shape[a];
      if (e.is_constant() || value.type.kind == ir::ValueKind::state) continue;
      const std::string symbol = ir::to_string(e);
      if (profile != options.shapes.end()) {
        const ShapeProfile& p = profile->second;
        const std::vector<std::int64_t>& max = p.max.empty() ? p.opt : p.max;
        if (a < max.size() && max[a] >= 0) {
          plan::SymbolRange r;
          r.max = max[a];
          r.min = p.min.empty() ? max[a] : p.min[a];
          r.opt = p.opt.empty() ? max[a] : p.opt[a];
          if (r.opt < r.min || r.opt > r.max)
            fail("the profile of input '{}' has opt {} outside [{}, {}] on axis {}", value.name, r.opt, r.min, r.max,
                 a);
          const auto [it, added] = ranges.emplace(symbol, r);
          if (!added && (it->second.min != r.min || it->second.max != r.max))
            fail("dimension '{}' is given different ranges by two inputs ('{}' is the second)", symbol, value.name);
          continue;
        }
      }
      unknown = true;
    }
    if (!unknown) continue;
    std::string shape, example;
    bool still = false;
    for (std::size_t a = 0; a < value.type.shape.size(); ++a) {
      const ir::Expr& e = value.type.shape[a];
      const bool open = !e.is_constant() && !ranges.contains(ir::to_string(e));
      still |= open;
      shape += (a ? "," : "") + ir::to_string(e);
      example += (a ? "x" : "") + (e.is_constant() ? std::to_string(e.constant()) : std::string("1"));
    }
    if (!still) continue;
    missing += fmt::format("\n  {} [{}]", value.name, shape);
    suggestion += fmt::format("{}--shape {}={}", suggestion.empty() ? "" : " ", value.name, example);
  }
  if (!missing.empty())
    fail_hint(suggestion + " (or ranges: --min-shape, --opt-shape and --max-shape)",
              "these inputs have dimensions without a profile:{}", missing);
  return ranges;
}

}  // namespace

Engine Engine::build(const std::string& model_path, const BuildOptions& options) {
  return build_engine(model_path, options, {});
}

Engine build_engine(const std::string& model_path, const BuildOptions& options, const BuildHooks& hooks) {
  const auto report = [&](std::string_view stage, double fraction) {
    if (options.progress) options.progress(stage, fraction);
  };
  if (options.device == Device::cuda) fail_hint("--device cpu", "this build of Monza has no CUDA backend");
  if (options.precision == Precision::int8)
    fail_hint("build a model that is already quantised (QLinear, Q/DQ or dynamic operators), or --precision fp32",
              "INT8 of a float model needs calibration, which this version does not do");
  if (options.precision == Precision::fp16)
    fail_hint("--precision fp32, or bf16 where `monza doctor` lists it", "no CPU kernel computes in fp16");
  const Isa have = cpu_info().isa;
  const Isa isa = options.isa.empty() ? have : parse_isa(options.isa);
  if (!covers(have, isa))
    fail("this CPU ({}) has {}, but {} was asked for", cpu_info().model, isa_name(have), isa_name(isa));
  if (options.precision == Precision::bf16 && !covers(isa, Isa::avx512bf16))
    fail_hint("--precision fp32", "bf16 needs a CPU with AVX512_BF16; this one ({}) is used with {}", cpu_info().model,
              isa_name(isa));

  Engine::Stats stats;
  report("import", 0);
  auto begin = Clock::now();
  std::unique_ptr<ir::Graph> graph = import_onnx(model_path, import_options(options));
  if (!options.io_types.empty()) set_io_types(*graph, options.io_types);
  const auto ranges = symbol_ranges(*graph, options);
  stats.import_ms = ms_since(begin);
  if (hooks.report != nullptr) hooks.report->imported = graph->clone();

  report("passes", 0.1);
  begin = Clock::now();
  if (options.optimize) {
    PassOptions passes;
    passes.disabled.insert(options.disabled_passes.begin(), options.disabled_passes.end());
    passes.max_rewrites = options.max_rewrites;
    PassReport done;
    run_passes(*graph, hooks.pipeline != nullptr ? *hooks.pipeline : pipeline(), passes, done);
    log(LogLevel::info, "{}", to_string(done, true));
    if (hooks.report != nullptr) hooks.report->passes = std::move(done);
  }
  if (options.precision == Precision::bf16)
    for (const ir::NodeId id : graph->order()) graph->node(id).precision = ir::Precision::bf16;
  if (hooks.before_plan) hooks.before_plan(*graph);
  if (hooks.report != nullptr) hooks.report->planned = graph->clone();
  stats.passes_ms = ms_since(begin);

  report("plan", 0.2);
  begin = Clock::now();
  plan::PlannerOptions planner;
  planner.threads = options.threads > 0 ? options.threads : cpu_info().usable_threads;
  planner.isa = isa;
  planner.device = options.device == Device::reference ? DeviceKind::reference : DeviceKind::cpu;
  planner.reference_only = !options.optimize || options.device == Device::reference;
  planner.batch_invariant = options.batch_invariant;
  planner.symbols = ranges;
  std::unique_ptr<plan::Tactics> tactics;
  if (options.tune && !planner.reference_only) {
    tactics = std::make_unique<plan::Tactics>(
        plan::TacticOptions{planner.threads, options.timing_cache, options.max_build_seconds});
    planner.tactics = tactics.get();
  }
  plan::PlannedModel planned = plan::make_plan(*graph, planner);
  if (tactics) log(LogLevel::info, "timings: {} measured, {} known", tactics->measured(), tactics->cached());
  if (hooks.report != nullptr) hooks.report->choices = std::move(planned.choices);
  stats.plan_ms = ms_since(begin);

  report("finish", 0.95);
  engine_file::Parts parts;
  parts.plan = std::move(planned.plan);
  parts.weights = std::move(planned.weights);
  if (!options.strip) parts.graph = ir::print(*graph);
  parts.info.precision = options.precision;
  parts.info.device = options.device;
  for (const auto& [key, value] : graph->model().metadata) parts.info.metadata[key] = value;
  for (const auto& [key, value] : options.metadata) parts.info.metadata[key] = value;
  Engine engine = make_engine(engine_file::make_image(std::move(parts)), stats);
  report("done", 1);
  return engine;
}

}  // namespace monza
