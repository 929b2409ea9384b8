// monza inspect: the graph, what the passes did to it, the plan, and where everything lies in memory.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/output_file.h"
#include "engine/build_record.h"
#include "engine/run/engine_impl.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/plausible_shape.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tensor/dtype.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/draw/graph_picture.h"
#include "tools/draw/svg.h"
#include "tools/text/gguf_text.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct InspectArgs {
  InspectArgs() {
    model.tune_by_default = false;
    model.takes_language_models = true;
  }
  ModelArgs model;
  std::string svg;
  std::vector<std::string> shared_with;
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

Json ports(const std::vector<TensorInfo>& list) {
  auto out = Json::array();
  for (const TensorInfo& t : list)
    out.push_back({{"name", t.name},
                   {"dtype", dtype_name(t.dtype)},
                   {"min", t.min},
                   {"opt", t.opt},
                   {"max", t.max},
                   {"symbols", t.symbols}});
  return out;
}

/// Weight blocks of one engine that another has too: the same bytes by length and checksum.
struct Shared {
  std::string with;
  std::vector<std::pair<std::string, std::int64_t>> blocks;  ///< name, bytes
  std::int64_t bytes = 0, total = 0;                         ///< shared, and all that the other has
};
Shared shared_weights(const plan::Plan& mine, const std::string& other_path) {
  if (!Engine::is_engine_file(other_path))
    throw UsageError(message("--shared-with '{}' is no engine file\n  try: build it with `monza build`", other_path));
  const Engine other = Engine::load(other_path);
  std::map<std::pair<std::int64_t, std::uint64_t>, std::string> blocks;
  for (const plan::WeightBlock& w : mine.weight_blocks)
    blocks.emplace(std::pair(w.bytes, w.checksum), std::string(mine.text(w.name)));
  Shared shared{other_path, {}, 0, other.impl().image.plan.weights_bytes};
  for (const plan::WeightBlock& w : other.impl().image.plan.weight_blocks)
    if (const auto it = blocks.find({w.bytes, w.checksum}); it != blocks.end()) {
      shared.blocks.emplace_back(it->second, w.bytes);
      shared.bytes += w.bytes;
    }
  return shared;
}

void print_summary(const Engine& engine, const ModelArgs::Opened& opened) {
  const Engine::Stats s = engine.stats();
  const plan::Plan& plan = engine.impl().image.plan;
  print("{} for {} of {}, {} {}, {} steps\n", opened.built ? "built now" : "engine", count_text(s.threads, "thread"),
        s.isa, device_name(s.device), precision_name(s.precision), s.steps);
  for (const TensorInfo& t : engine.inputs()) print("  input  {} {} {}\n", t.name, dtype_name(t.dtype), range_text(t));
  for (const TensorInfo& t : engine.outputs()) print("  output {} {} {}\n", t.name, dtype_name(t.dtype), range_text(t));
  for (const auto& [key, value] : engine.metadata())
    print("  {} = {}\n", key, value.size() > 100 ? value.substr(0, 97) + "..." : value);
  print("memory: weights {} in {} blocks, activations {} (lower bound {})\n",
        bytes_text(static_cast<double>(s.weights_bytes)), plan.weight_blocks.size(),
        bytes_text(static_cast<double>(s.arena_bytes)), bytes_text(static_cast<double>(s.arena_lower_bound_bytes)));
  std::map<std::string, int> kernels;
  double flops = 0;
  for (const plan::Step& step : plan.steps) {
    flops += static_cast<double>(step.flops);
    ++kernels[std::string(work_of(plan, step))];
  }
  print("work: {:.3f} GFLOP at the shape planned for\nkernels:\n", flops * 1e-9);
  std::vector<std::pair<std::string, int>> sorted(kernels.begin(), kernels.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [name, count] : sorted) print("  {:4} x {}\n", count, name);
}

void print_memory(const plan::Plan& plan) {
  for (std::size_t d = 0; d < plan.devices.size(); ++d)
    print("arena {}: {} bytes, lower bound {} ({:+.2f} %)\n", d, plan.devices[d].arena_bytes,
          plan.devices[d].arena_lower_bound,
          plan.devices[d].arena_lower_bound > 0
              ? 100.0 * static_cast<double>(plan.devices[d].arena_bytes - plan.devices[d].arena_lower_bound) /
                    static_cast<double>(plan.devices[d].arena_lower_bound)
              : 0.0);
  print("{:>12} {:>12} {:>13}  {}\n", "offset", "bytes", "steps", "value");
  for (const ArenaBlock& b : drawn_blocks(plan))
    print("{:12} {:12} {:6}-{:<6}  {}\n", b.offset, b.bytes, b.first, b.last, b.what);
  print("weights: {} bytes\n", plan.weights_bytes);
  for (const plan::WeightBlock& w : plan.weight_blocks)
    print("{:12} {:12} {:>13}  {}\n", w.offset, w.bytes, w.kernel >= 0 ? "packed" : "plain", plan.text(w.name));
}

void print_shared(const Shared& shared, std::int64_t mine) {
  print("weights shared with '{}': {} in {} blocks ({:.1f} % of these, {:.1f} % of those)\n", shared.with,
        bytes_text(static_cast<double>(shared.bytes)), shared.blocks.size(),
        mine > 0 ? 100.0 * static_cast<double>(shared.bytes) / static_cast<double>(mine) : 0.0,
        shared.total > 0 ? 100.0 * static_cast<double>(shared.bytes) / static_cast<double>(shared.total) : 0.0);
  for (const auto& [name, bytes] : shared.blocks) print("{:12}  {}\n", bytes, name);
}

/// The drawing that the options ask for: the memory map, or a graph.
std::string picture(const InspectArgs& o, const Engine& engine, const BuildReport& built) {
  if (o.memory) return draw_memory(engine.impl().image.plan, 0);
  if (o.imported) return draw_graph(*built.imported);
  return draw_graph(*built.planned);
}

/// "images f32 [batch,3,640,640]", as far as the file says it.
std::string declared_text(const OnnxInput& value) {
  std::string shape;
  for (std::size_t a = 0; a < value.shape.size(); ++a)
    shape += (a > 0 ? "," : "") + (value.shape[a] >= 0        ? std::to_string(value.shape[a])
                                   : value.symbols[a].empty() ? std::string("?")
                                                              : value.symbols[a]);
  return fmt::format("{} {} {}", value.name,
                     value.dtype == DType::invalid ? "of no known type" : dtype_name(value.dtype),
                     value.has_shape ? "[" + shape + "]" : "of no known shape");
}

/// What a model with open dimensions says of itself, where no shapes were given to plan it for; false for others.
bool print_interface(const InspectArgs& o) {
  if (o.model.is_engine() || o.model.shapes_given()) return false;
  const std::vector<OnnxInput> inputs = onnx_inputs(o.model.model, o.model.limits());
  const auto plausible = plausible_shapes(o.model.model, o.model.limits());
  std::string example;
  for (const OnnxInput& input : inputs) {
    std::string shape;
    const bool open =
        !input.has_shape || std::any_of(input.shape.begin(), input.shape.end(), [](std::int64_t e) { return e < 0; });
    for (const std::int64_t extent : plausible.at(input.name))
      shape += (shape.empty() ? "" : "x") + std::to_string(extent);
    if (open) example += fmt::format(" --shape {}={}", input.name, shape.empty() ? "1" : shape);
  }
  if (example.empty()) return false;
  print("an ONNX model with open dimensions\n");
  for (const OnnxInput& input : inputs) print("  input  {}\n", declared_text(input));
  for (const OnnxInput& output : onnx_outputs(o.model.model, o.model.limits()))
    print("  output {}\n", declared_text(output));
  print("for memory, work and kernels give extents, for instance:{}\n", example);
  return true;
}

int run(const InspectArgs& o) {
  const bool whole =
      o.shared_with.empty() && !o.imported && !o.graph && !o.fusions && !o.plan && !o.memory && o.svg.empty();
  if (whole && o.model.is_language_model()) {  // its file says more than a plan
    inspect_gguf(o.model.model, o.model.limits(), o.json);
    return kExitOk;
  }
  if (whole && !o.json && print_interface(o)) return kExitOk;
  InputArgs inputs;
  inputs.random = true;
  BuildReport built;
  BuildHooks hooks;
  hooks.report = &built;
  const Prepared prepared = prepare(o.model, inputs, &hooks);
  const Engine& engine = prepared.opened.engine;
  const plan::Plan& plan = engine.impl().image.plan;
  const bool onnx = !o.model.is_engine();
  if (o.imported && !onnx)
    throw UsageError("--imported needs the ONNX file: an engine holds the graph after the passes (--graph)");
  // The report of an engine's build is in the engine, unless it was stripped.
  const bool stripped = engine.impl().image.graph.empty();
  const bool asks = o.fusions || o.json || (!o.svg.empty() && !o.memory);
  if (!onnx && asks && !(stripped && o.json)) built = read_record(engine.impl().image, o.model.limits());
  std::vector<Shared> shared;
  for (const std::string& path : o.shared_with) shared.push_back(shared_weights(plan, path));
  if (!o.svg.empty()) {
    write_file(o.svg, picture(o, engine, built));
    note(message("{} is drawn in '{}'",
                 o.memory     ? "the memory map"
                 : o.imported ? "the imported graph"
                              : "the graph",
                 o.svg));
    return kExitOk;
  }
  if (o.json) {
    const Engine::Stats s = engine.stats();
    Json report = {{"inputs", ports(engine.inputs())},
                   {"outputs", ports(engine.outputs())},
                   {"metadata", engine.metadata()},
                   {"threads", s.threads},
                   {"isa", s.isa},
                   {"precision", precision_name(s.precision)},
                   {"device", device_name(s.device)},
                   {"weights_bytes", s.weights_bytes},
                   {"arena_bytes", s.arena_bytes},
                   {"arena_lower_bound_bytes", s.arena_lower_bound_bytes},
                   {"replanned", s.replanned},
                   {"graph", engine.graph_text()}};
    auto& steps = report["steps"] = Json::array();
    for (const plan::Step& step : plan.steps) {
      const Arithmetic* arithmetic = arithmetic_of(plan, step);
      steps.push_back({{"name", plan.text(step.name)},
                       {"nodes", plan.nodes_of(step)},
                       {"kernel", work_of(plan, step)},
                       {"computes_in", arithmetic != nullptr ? precision_name(arithmetic->computes_in) : ""},
                       {"device", step.device},
                       {"flops", step.flops},
                       {"bytes", step.bytes},
                       {"measured_us", step.measured_us},
                       {"scratch_bytes", step.scratch_bytes}});
    }
    auto& memory = report["memory"] = Json::array();
    for (const ArenaBlock& b : drawn_blocks(plan))
      memory.push_back({{"device", b.device},
                        {"offset", b.offset},
                        {"bytes", b.bytes},
                        {"first_step", b.first},
                        {"last_step", b.last},
                        {"value", b.what}});
    auto& weights = report["weights"] = Json::array();
    for (const plan::WeightBlock& w : plan.weight_blocks)
      weights.push_back(
          {{"name", plan.text(w.name)}, {"offset", w.offset}, {"bytes", w.bytes}, {"packed", w.kernel >= 0}});
    if (!shared.empty()) {
      auto& list = report["shared_weights"] = Json::array();
      for (const Shared& with : shared) {
        auto blocks = Json::array();
        for (const auto& [name, bytes] : with.blocks) blocks.push_back({{"name", name}, {"bytes", bytes}});
        list.push_back({{"with", with.with}, {"bytes", with.bytes}, {"of_bytes", with.total}, {"blocks", blocks}});
      }
    }
    if (onnx || !stripped) {
      auto& list = report["passes"] = Json::array();
      for (const PassRun& p : built.passes.passes)
        list.push_back({{"name", p.name},
                        {"enabled", p.enabled},
                        {"ms", onnx ? Json(p.seconds * 1e3) : Json(nullptr)},
                        {"rewrites", p.rewrites},
                        {"nodes_before", p.nodes_before},
                        {"nodes_after", p.nodes_after}});
      auto& rewrites = report["rewrites"] = Json::array();
      for (const Rewrite& r : built.passes.rewrites)
        rewrites.push_back({{"pass", r.pass}, {"what", r.what}, {"node", r.node}});
      auto& misses = report["near_misses"] = Json::array();
      for (const NearMiss& m : built.passes.near_misses)
        misses.push_back({{"pass", m.pass}, {"pattern", m.pattern}, {"node", m.node}, {"reason", m.reason}});
    }
    print_json(report);
    return kExitOk;
  }
  if (o.imported) print("{}\n", Lines{ir::print(*built.imported)});
  if (o.graph) {
    const std::string text = engine.graph_text();
    // Without the list of origins ahead, which is for planning the graph anew.
    const std::size_t graph = text.find("\ngraph ");
    print("{}\n", Lines{text.empty() ? "the engine was stripped of its graph"
                                     : std::string_view(text).substr(graph == text.npos ? 0 : graph + 1)});
  }
  if (o.fusions) print("{}\n", Lines{to_string(built.passes, true)});
  if (o.plan) print("{}\n", Lines{engine.describe_plan()});
  if (o.memory) print_memory(plan);
  for (const Shared& with : shared) print_shared(with, plan.weights_bytes);
  if (shared.empty() && !o.imported && !o.graph && !o.fusions && !o.plan && !o.memory)
    print_summary(engine, prepared.opened);
  return kExitOk;
}

}  // namespace

void add_inspect(Commands& commands) {
  const auto o = std::make_shared<InspectArgs>();
  CommandOptions app = commands.add(
      "inspect", "Shows a model's graph, what fused and what did not, the plan and the memory map.",
      "  monza inspect yolov8n.engine                    inputs, outputs, memory, kernels\n"
      "  monza inspect yolov8n.onnx --fusions            every rewrite, and near misses with the reason\n"
      "  monza inspect yolov8n.onnx --graph              the graph after the passes, as text (--imported: before)\n"
      "  monza inspect yolov8n.engine --plan             one line a step: kernel, operands, addresses\n"
      "  monza inspect yolov8n.engine --memory           what lies where, and from which step to which\n"
      "  monza inspect yolov8n.onnx --svg after.svg      a drawing of the graph (--imported: before the passes,\n"
      "                                                  --memory: of the memory, address against step)\n"
      "  monza inspect gemma.gguf                        metadata, tensors, chat template (--plan and the like: what\n"
      "                                                  its engine would be)\n"
      "  monza inspect a.engine --shared-with b.engine   weights that both have\n"
      "  monza inspect bert.onnx --shape batch=1 --shape sequence=128 --json",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  app.add_flag("--graph", o->graph, "the graph after the passes");
  app.add_flag("--imported", o->imported, "the graph as imported");
  app.add_flag("--fusions", o->fusions, "what the passes did, and why they left alone what nearly matched");
  app.add_flag("--plan", o->plan, "the steps");
  app.add_flag("--memory", o->memory, "the memory map");
  app.add_option("--svg", o->svg, "draw the graph there, or what --imported or --memory names")
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--shared-with", o->shared_with, "another engine: list the weights that both have (repeat)")
      .allow_extra_args(false)
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_flag("--json", o->json, "all of it, for a program to read");
}

}  // namespace monza::tool
