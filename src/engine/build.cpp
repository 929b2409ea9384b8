// Engine::build: from a model file to an engine, stage by stage.
#include <algorithm>
#include <chrono>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "engine/build_record.h"
#include "engine/compile.h"
#include "engine/file/image.h"
#include "engine/io_types.h"
#include "engine/run/engine_impl.h"
#include "import/onnx/onnx_import.h"
#include "passes/pass.h"

namespace monza {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

using Shapes = std::map<std::string, ShapeProfile>;

std::string symbol_name(const ir::Expr& extent) {
  std::string name;
  ir::substitute(extent, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
    if (atom.kind == ir::AtomKind::symbol) name = atom.name;
    return std::nullopt;
  });
  return name.empty() ? ir::to_string(extent) : name;
}

Isa isa_for(const BuildOptions& options) {
  const Isa have = cpu_info().isa;
  const Isa isa = options.isa.empty() ? have : parse_isa(options.isa);
  if (!covers(have, isa))
    fail("this CPU ({}) has {}, but {} was asked for", cpu_info().model, isa_name(have), isa_name(isa));
  return isa;
}

void set_planning(CompileOptions& to, const BuildOptions& from) {
  to.threads = from.threads > 0 ? from.threads : cpu_info().usable_threads;
  to.isa = isa_for(from);
  to.tune = from.tune;
  to.timing_cache = from.timing_cache;
  to.tactic_seed = from.tactic_seed;
  to.max_build_seconds = from.max_build_seconds;
  to.strip = from.strip;
  to.max_memory = from.max_memory;
}

/// What each profile says of every input: its own word, else that of `shapes`.
std::vector<Shapes> shapes_of(const BuildOptions& options) {
  if (options.profiles.empty()) return {options.shapes};
  std::vector<Shapes> all;
  for (Shapes own : options.profiles) {
    own.insert(options.shapes.begin(), options.shapes.end());
    all.push_back(std::move(own));
  }
  return all;
}

/// Extents that are equal in min, opt and max of all profiles are fixed at import; the others stay symbols with ranges.
OnnxImportOptions import_options(const BuildOptions& options, const std::vector<Shapes>& profiles) {
  OnnxImportOptions import;
  import.limits = options.limits;
  import.outputs = options.outputs;
  import.element_values = options.shape_values;
  for (std::size_t k = 0; k < profiles.size(); ++k)
    for (const auto& [name, profile] : profiles[k]) {
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
      std::vector<std::int64_t>& bounds = import.bounds.try_emplace(name, max).first->second;
      const std::vector<std::int64_t>& min = profile.min.empty() ? max : profile.min;
      std::vector<std::int64_t>& least = import.least.try_emplace(name, min).first->second;
      for (std::size_t a = 0; a < max.size() && a < bounds.size(); ++a) {
        bounds[a] = std::max(bounds[a], max[a]);
        least[a] = std::min(least[a], min[a]);
      }
      const auto [it, added] = import.shapes.try_emplace(name, fixed);
      if (added) {
        if (k > 0) it->second.assign(fixed.size(), -1);  // the profiles before left it open
        continue;
      }
      if (it->second.size() != fixed.size()) fail("the profiles of input '{}' have shapes of different ranks", name);
      for (std::size_t a = 0; a < fixed.size(); ++a)
        if (it->second[a] != fixed[a]) it->second[a] = -1;
    }
  return import;
}

/// A dimension as the model names it, which need not be an identifier as symbols are; "" where it has no name.
std::string declared_dimension(const std::vector<OnnxInput>& inputs, const std::string& name, std::size_t axis) {
  const auto it = std::find_if(inputs.begin(), inputs.end(), [&](const OnnxInput& i) { return i.name == name; });
  return it != inputs.end() && axis < it->symbols.size() ? it->symbols[axis] : std::string();
}

/// The ranges of the graph's symbols in one profile. `declared` reads the model's inputs, for messages.
engine_file::Profile symbol_ranges(const ir::Graph& graph, const Shapes& shapes,
                                   const std::function<std::vector<OnnxInput>()>& declared) {
  engine_file::Profile ranges;
  std::string missing, suggestion;
  std::optional<std::vector<OnnxInput>> inputs;
  for (const ir::ValueId id : graph.inputs()) {
    const ir::Value& value = graph.value(id);
    const auto profile = shapes.find(value.name);
    bool unknown = false;
    for (std::size_t a = 0; a < value.type.shape.size(); ++a) {
      const ir::Expr& e = value.type.shape[a];
      if (e.is_constant() || value.type.kind == ir::ValueKind::state) continue;
      const std::string symbol = symbol_name(e);
      if (profile != shapes.end()) {
        const ShapeProfile& p = profile->second;
        const std::vector<std::int64_t>& max = p.max.empty() ? p.opt : p.max;
        if (a < max.size() && max[a] >= 0) {
          engine_file::Extent r;
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
      const bool open = !e.is_constant() && !ranges.contains(symbol_name(e));
      still |= open;
      if (!inputs) inputs = declared();
      const std::string name = e.is_constant() ? "" : declared_dimension(*inputs, value.name, a);
      shape += (a ? "," : "") + (name.empty() ? ir::to_string(e) : name);
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

/// Tensors that nodes make, in the model's order, those of bodies after their node.
std::vector<NamedTensor> tensors_of(const ir::Graph& graph) {
  std::vector<NamedTensor> tensors;
  for (const ir::ValueId id : graph.values()) {
    const ir::Value& value = graph.value(id);
    const ir::Node* producer = graph.producer(id);
    if (producer != nullptr && !value.name.empty()) tensors.push_back({value.name, producer->origins});
  }
  for (const ir::NodeId id : graph.order())
    for (const auto& body : graph.node(id).bodies)
      for (NamedTensor& t : tensors_of(*body)) tensors.push_back(std::move(t));
  return tensors;
}

/// An engine file's own graph, planned for this machine with what the options say of planning.
Engine build_anew(const std::string& engine_path, const BuildOptions& options) {
  const engine_file::Image image = engine_file::read_engine(engine_path, {});
  if (image.graph.empty())
    throw Error("it was built with --strip, so it carries no graph to plan anew", "build it from its ONNX file")
        .at(fmt::format("engine file '{}'", engine_path));
  const auto begin = Clock::now();
  CompileOptions compile_options = replan_options(image);
  BuildReport report = read_record(image, options.limits);
  Engine::Stats stats;
  stats.import_ms = ms_since(begin);
  set_planning(compile_options, options);
  for (const auto& [key, value] : options.metadata) compile_options.info.metadata[key] = value;
  if (options.progress) options.progress("plan", 0.1);
  const auto plan_begin = Clock::now();
  engine_file::Image fresh = compile(*report.planned, compile_options, report);
  stats.plan_ms = ms_since(plan_begin);
  if (options.progress) options.progress("done", 1);
  return make_engine(std::move(fresh), stats);
}

}  // namespace

Engine Engine::build(const std::string& model_path, const BuildOptions& options) {
  return build_engine(model_path, options, {});
}

Engine build_engine(const std::string& model_path, const BuildOptions& options, const BuildHooks& hooks) {
  const auto progress = [&](std::string_view stage, double fraction) {
    if (options.progress) options.progress(stage, fraction);
  };
  BuildReport unasked;
  BuildReport& report = hooks.report != nullptr ? *hooks.report : unasked;
  if (engine_file::is_engine_file(model_path)) return build_anew(model_path, options);
  if (options.device == Device::cuda) fail_hint("--device cpu", "this build of Monza has no CUDA backend");
  if (options.precision == Precision::int8)
    fail_hint("build a model that is already quantised (QLinear, Q/DQ or dynamic operators), or --precision fp32",
              "INT8 of a float model needs calibration, which this version does not do");
  if (options.precision == Precision::fp16)
    fail_hint("--precision fp32, or bf16 where `monza doctor` lists it", "no CPU kernel computes in fp16");
  const Isa isa = isa_for(options);
  if (options.precision == Precision::bf16 && !covers(isa, Isa::avx512bf16))
    fail_hint("--precision fp32", "bf16 needs a CPU with AVX512_BF16; this one ({}) is used with {}", cpu_info().model,
              isa_name(isa));

  Engine::Stats stats;
  progress("import", 0);
  auto begin = Clock::now();
  const std::vector<Shapes> profiles = shapes_of(options);
  OnnxImportOptions import = import_options(options, profiles);
  import.fed_initializers.insert(hooks.fed_initializers.begin(), hooks.fed_initializers.end());
  std::unique_ptr<ir::Graph> graph = import_onnx(model_path, import);
  if (!options.io_types.empty()) set_io_types(*graph, options.io_types);
  CompileOptions compile_options;
  engine_file::Info& info = compile_options.info;
  const auto declared = [&] { return onnx_inputs(model_path, options.limits); };
  for (const Shapes& shapes : profiles) info.profiles.push_back(symbol_ranges(*graph, shapes, declared));
  stats.import_ms = ms_since(begin);
  if (hooks.report != nullptr) report.imported = graph->clone();
  report.tensors = tensors_of(*graph);

  progress("passes", 0.1);
  begin = Clock::now();
  if (options.optimize) {
    PassOptions passes;
    passes.disabled.insert(options.disabled_passes.begin(), options.disabled_passes.end());
    passes.max_rewrites = options.max_rewrites;
    passes.strict = options.strict_rewrites;
    // Its kernels compute in f32; apart, the 1x1 convolution has kernels for bf16.
    if (options.precision == Precision::bf16) passes.disabled.insert("fuse_separable");
    run_passes(*graph, hooks.pipeline != nullptr ? *hooks.pipeline : pipeline(), passes, report.passes);
    log(LogLevel::info, "{}", to_string(report.passes, true));
  }
  if (options.precision == Precision::bf16)
    for (const ir::NodeId id : graph->order()) graph->node(id).precision = ir::Precision::bf16;
  if (hooks.before_plan) hooks.before_plan(*graph);
  if (hooks.report != nullptr) report.planned = graph->clone();
  stats.passes_ms = ms_since(begin);

  progress("plan", 0.2);
  begin = Clock::now();
  set_planning(compile_options, options);
  info.precision = options.precision;
  info.device = options.device;
  info.optimize = options.optimize;
  info.batch_invariant = options.batch_invariant;
  for (const auto& [key, value] : graph->model().metadata) info.metadata[key] = value;
  for (const auto& [key, value] : options.metadata) info.metadata[key] = value;
  engine_file::Image image = compile(*graph, compile_options, report);
  stats.plan_ms = ms_since(begin);
  Engine engine = make_engine(std::move(image), stats);
  progress("done", 1);
  return engine;
}

}  // namespace monza
