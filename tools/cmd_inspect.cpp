// monza inspect: the graph, what the passes did to it, the plan, and where everything lies in memory.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/run/engine_impl.h"
#include "import/onnx/onnx_import.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tensor/dtype.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/model_args.h"
#include "tools/terminal.h"

namespace monza::tool {
namespace {

struct Options {
  Options() { model.tune_by_default = false; }
  ModelArgs model;
  bool graph = false, imported = false, fusions = false, plan = false, memory = false, json = false;
};

std::string range_text(const TensorInfo& t) {
  std::string text;
  for (std::size_t a = 0; a < t.min.size(); ++a) {
    if (a > 0) text += 'x';
    text += t.min[a] == t.max[a] ? std::to_string(t.min[a]) : fmt::format("[{}..{}]", t.min[a], t.max[a]);
    if (!t.symbols[a].empty()) text += "(" + t.symbols[a] + ")";
  }
  return t.min.empty() ? "scalar" : text;
}

nlohmann::ordered_json ports(const std::vector<TensorInfo>& list) {
  auto out = nlohmann::ordered_json::array();
  for (const TensorInfo& t : list)
    out.push_back({{"name", t.name},
                   {"dtype", dtype_name(t.dtype)},
                   {"min", t.min},
                   {"opt", t.opt},
                   {"max", t.max},
                   {"symbols", t.symbols}});
  return out;
}

/// A range of a device's arena, and the first and last step that use it.
struct Block {
  int device = 0;
  std::int64_t offset = 0, bytes = 0;
  std::uint32_t first = 0, last = 0;
  std::string what;
};

/// Every distinct place in the arenas that steps write, with its life, by offset.
std::vector<Block> arena_blocks(const plan::Plan& plan) {
  std::map<std::tuple<int, std::int64_t, std::int64_t, std::uint32_t>, Block> blocks;
  std::map<std::tuple<int, std::int64_t, std::int64_t>, std::uint32_t> current;  // place -> the step that wrote it last
  for (std::uint32_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    const auto use = [&](const plan::Range& range, bool writes) {
      for (std::uint32_t k = 0; k < range.count; ++k) {
        const plan::Operand& o = plan.operands[range.begin + k];
        if (o.base != plan::Base::arena) continue;
        const std::tuple<int, std::int64_t, std::int64_t> place(o.device, o.byte_offset, o.byte_bound);
        if (writes) current[place] = i;
        const auto it = current.find(place);
        if (it == current.end()) continue;  // a view of what another operand wrote
        Block& b = blocks[{o.device, o.byte_offset, o.byte_bound, it->second}];
        if (writes) b = {o.device, o.byte_offset, o.byte_bound, i, i, std::string(plan.text(step.name))};
        b.last = i;
      }
    };
    use(step.inputs, false);
    use(step.outputs, true);
    if (step.scratch_bytes > 0)
      blocks[{step.device, step.scratch_offset, step.scratch_bytes, i}] = {
          step.device,
          step.scratch_offset,
          step.scratch_bytes,
          i,
          i,
          "scratch of " + std::string(plan.text(step.name))};
  }
  std::vector<Block> list;
  for (auto& [key, block] : blocks) list.push_back(std::move(block));
  std::stable_sort(list.begin(), list.end(), [](const Block& a, const Block& b) {
    return std::tie(a.device, a.offset, a.first) < std::tie(b.device, b.offset, b.first);
  });
  return list;
}

/// The passes' report for an ONNX file, with the shapes that the command line and the profile fix.
struct Passes {
  PassReport report;
  std::string imported;
};
Passes run_passes_on(const ModelArgs& model, bool want_text) {
  const BuildOptions options = model.build_options(model.declared_inputs());
  OnnxImportOptions import;
  import.outputs = options.outputs;
  for (const auto& [name, profile] : options.shapes) {
    auto& fixed = import.shapes[name] = profile.max;
    for (std::size_t a = 0; a < fixed.size(); ++a)
      if (profile.min[a] != profile.max[a]) fixed[a] = -1;
  }
  const auto graph = import_onnx(model.model, import);
  Passes passes;
  if (want_text) passes.imported = ir::print(*graph);
  PassOptions pass_options;
  pass_options.disabled = {options.disabled_passes.begin(), options.disabled_passes.end()};
  pass_options.max_rewrites = options.max_rewrites;
  if (options.optimize) passes.report = optimize(*graph, pass_options);
  return passes;
}

void print_summary(const Engine& engine, const ModelArgs::Opened& opened) {
  const Engine::Stats s = engine.stats();
  const plan::Plan& plan = engine.impl().image.plan;
  fmt::print("{} for {} threads of {}, {} {}, {} steps\n", opened.built ? "built now" : "engine", s.threads, s.isa,
             device_name(s.device), precision_name(s.precision), s.steps);
  for (const TensorInfo& t : engine.inputs())
    fmt::print("  input  {} {} {}\n", t.name, dtype_name(t.dtype), range_text(t));
  for (const TensorInfo& t : engine.outputs())
    fmt::print("  output {} {} {}\n", t.name, dtype_name(t.dtype), range_text(t));
  for (const auto& [key, value] : engine.metadata())
    fmt::print("  {} = {}\n", key, value.size() > 100 ? value.substr(0, 97) + "..." : value);
  fmt::print("memory: weights {} in {} blocks, activations {} (lower bound {})\n", bytes_text(double(s.weights_bytes)),
             plan.weight_blocks.size(), bytes_text(double(s.arena_bytes)),
             bytes_text(double(s.arena_lower_bound_bytes)));
  std::map<std::string, int> kernels;
  double flops = 0;
  for (const plan::Step& step : plan.steps) {
    flops += double(step.flops);
    ++kernels[step.kind == plan::StepKind::kernel ? std::string(plan.text(plan.kernels[std::size_t(step.kernel)].name))
              : step.kind == plan::StepKind::branch ? "If"
                                                    : "Loop"];
  }
  fmt::print("work: {:.3f} GFLOP at the shape planned for\nkernels:\n", flops * 1e-9);
  std::vector<std::pair<std::string, int>> sorted(kernels.begin(), kernels.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [name, count] : sorted) fmt::print("  {:4} x {}\n", count, name);
}

void print_memory(const plan::Plan& plan) {
  for (std::size_t d = 0; d < plan.devices.size(); ++d)
    fmt::print("arena {}: {} bytes, lower bound {} ({:+.2f} %)\n", d, plan.devices[d].arena_bytes,
               plan.devices[d].arena_lower_bound,
               plan.devices[d].arena_lower_bound > 0
                   ? 100.0 * double(plan.devices[d].arena_bytes - plan.devices[d].arena_lower_bound) /
                         double(plan.devices[d].arena_lower_bound)
                   : 0.0);
  fmt::print("{:>12} {:>12} {:>13}  {}\n", "offset", "bytes", "steps", "value");
  for (const Block& b : arena_blocks(plan))
    fmt::print("{:12} {:12} {:6}-{:<6}  {}\n", b.offset, b.bytes, b.first, b.last, b.what);
  fmt::print("weights: {} bytes\n", plan.weights_bytes);
  for (const plan::WeightBlock& w : plan.weight_blocks)
    fmt::print("{:12} {:12} {:>13}  {}\n", w.offset, w.bytes, w.kernel >= 0 ? "packed" : "plain", plan.text(w.name));
}

/// Steps that compute several ONNX nodes: what fusions made of a model whose file is not at hand.
void print_fused_steps(const Engine& engine) {
  for (const plan::Step& step : engine.impl().image.plan.steps) {
    const std::string_view name = engine.impl().image.plan.text(step.name);
    if (name.find(',') != std::string_view::npos || name.find('+') != std::string_view::npos)
      fmt::print("  {}\n", name);
  }
}

int run(const Options& o) {
  InputArgs inputs;
  inputs.random = true;
  const Prepared prepared = prepare(o.model, inputs);
  const Engine& engine = prepared.opened.engine;
  const plan::Plan& plan = engine.impl().image.plan;
  const bool onnx = !o.model.is_engine();
  Passes passes;
  if (onnx && (o.fusions || o.imported || o.json)) passes = run_passes_on(o.model, o.imported);
  if (o.json) {
    const Engine::Stats s = engine.stats();
    nlohmann::ordered_json report = {{"inputs", ports(engine.inputs())},
                                     {"outputs", ports(engine.outputs())},
                                     {"metadata", engine.metadata()},
                                     {"threads", s.threads},
                                     {"isa", s.isa},
                                     {"precision", precision_name(s.precision)},
                                     {"device", device_name(s.device)},
                                     {"weights_bytes", s.weights_bytes},
                                     {"arena_bytes", s.arena_bytes},
                                     {"arena_lower_bound_bytes", s.arena_lower_bound_bytes},
                                     {"graph", engine.graph_text()}};
    auto& steps = report["steps"] = nlohmann::ordered_json::array();
    for (const plan::Step& step : plan.steps)
      steps.push_back({{"name", plan.text(step.name)},
                       {"kernel", step.kind == plan::StepKind::kernel
                                      ? std::string(plan.text(plan.kernels[std::size_t(step.kernel)].name))
                                  : step.kind == plan::StepKind::branch ? "If"
                                                                        : "Loop"},
                       {"device", step.device},
                       {"flops", step.flops},
                       {"bytes", step.bytes},
                       {"measured_us", step.measured_us},
                       {"scratch_bytes", step.scratch_bytes}});
    auto& memory = report["memory"] = nlohmann::ordered_json::array();
    for (const Block& b : arena_blocks(plan))
      memory.push_back({{"device", b.device},
                        {"offset", b.offset},
                        {"bytes", b.bytes},
                        {"first_step", b.first},
                        {"last_step", b.last},
                        {"value", b.what}});
    auto& weights = report["weights"] = nlohmann::ordered_json::array();
    for (const plan::WeightBlock& w : plan.weight_blocks)
      weights.push_back(
          {{"name", plan.text(w.name)}, {"offset", w.offset}, {"bytes", w.bytes}, {"packed", w.kernel >= 0}});
    if (onnx) {
      auto& list = report["passes"] = nlohmann::ordered_json::array();
      for (const PassRun& p : passes.report.passes)
        list.push_back({{"name", p.name},
                        {"enabled", p.enabled},
                        {"ms", p.seconds * 1e3},
                        {"rewrites", p.rewrites},
                        {"nodes_before", p.nodes_before},
                        {"nodes_after", p.nodes_after}});
      auto& rewrites = report["rewrites"] = nlohmann::ordered_json::array();
      for (const Rewrite& r : passes.report.rewrites)
        rewrites.push_back({{"pass", r.pass}, {"what", r.what}, {"node", r.node}});
      auto& misses = report["near_misses"] = nlohmann::ordered_json::array();
      for (const NearMiss& m : passes.report.near_misses)
        misses.push_back({{"pass", m.pass}, {"pattern", m.pattern}, {"node", m.node}, {"reason", m.reason}});
    }
    fmt::print("{}\n", report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
    return kExitOk;
  }
  if (o.imported) {
    if (!onnx) throw UsageError("--imported needs the ONNX file: an engine holds the graph after the passes (--graph)");
    fmt::print("{}\n", passes.imported);
  }
  if (o.graph) {
    const std::string text = engine.graph_text();
    fmt::print("{}\n", text.empty() ? "the engine was stripped of its graph" : text);
  }
  if (o.fusions) {
    if (onnx) {
      fmt::print("{}\n", to_string(passes.report, true));
    } else {
      fmt::print("steps that compute several nodes (the passes' report needs the ONNX file):\n");
      print_fused_steps(engine);
    }
  }
  if (o.plan) fmt::print("{}\n", engine.describe_plan());
  if (o.memory) print_memory(plan);
  if (!o.imported && !o.graph && !o.fusions && !o.plan && !o.memory) print_summary(engine, prepared.opened);
  return kExitOk;
}

}  // namespace

void add_inspect(Commands& commands) {
  const auto o = std::make_shared<Options>();
  CLI::App& app = commands.add(
      "inspect", "Shows a model's graph, what fused and what did not, the plan and the memory map.",
      "  monza inspect yolov8n.engine                    inputs, outputs, memory, kernels\n"
      "  monza inspect yolov8n.onnx --fusions            every rewrite, and near misses with the reason\n"
      "  monza inspect yolov8n.onnx --graph              the graph after the passes, as text (--imported: before)\n"
      "  monza inspect yolov8n.engine --plan             one line a step: kernel, operands, addresses\n"
      "  monza inspect yolov8n.engine --memory           what lies where, and from which step to which\n"
      "  monza inspect bert.onnx --shape batch=1 --shape sequence=128 --json",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  app.add_flag("--graph", o->graph, "the graph after the passes");
  app.add_flag("--imported", o->imported, "the graph as imported");
  app.add_flag("--fusions", o->fusions, "what the passes did, and why they left alone what nearly matched");
  app.add_flag("--plan", o->plan, "the steps");
  app.add_flag("--memory", o->memory, "the memory map");
  app.add_flag("--json", o->json, "all of it, for a program to read");
}

}  // namespace monza::tool
