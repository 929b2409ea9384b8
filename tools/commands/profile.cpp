// monza profile: where the time of an inference goes, and how near each layer is to what the machine can do.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <memory>
#include <set>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "base/output_file.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/draw/chart.h"
#include "tools/draw/svg.h"
#include "tools/measure/identity.h"
#include "tools/measure/profile.h"
#include "tools/measure/statistics.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct ProfileArgs {
  ProfileArgs() { model.takes_language_models = true; }
  ModelArgs model;
  InputArgs inputs;
  int iterations = 0, top = 0;
  double duration = 2;
  std::string trace, histogram, against, sort = "gain";
  bool json = false, no_ceilings = false;
};

/// The kernel, or the operator where there is none.
const std::string& kernel_of(const StepProfile& step) { return step.kernel.empty() ? step.op : step.kernel; }

void write_trace(const std::string& path, const Prepared& prepared, Context& context) {
  const Engine& engine = prepared.opened.engine;
  context.set_profiling(false);
  context.set_profiling(true);  // one run alone: its begins and its times belong together
  run_checked(context, prepared);
  auto events = Json::array();
  events.push_back({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "monza"}}}});
  for (const StepProfile& s : context.profile()) {
    if (s.runs == 0) continue;
    events.push_back({{"name", s.name.empty() ? s.op : s.name},
                      {"cat", s.op},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", 1},
                      {"ts", s.start_us},
                      {"dur", s.mean_us},
                      {"args", {{"op", s.op}, {"kernel", s.kernel}, {"flops", s.flops}, {"bytes", s.bytes}}}});
  }
  const Json trace = {{"displayTimeUnit", "ns"},
                      {"otherData", {{"isa", engine.stats().isa}, {"threads", engine.stats().threads}}},
                      {"traceEvents", events}};
  write_file(path, json_text(trace, -1) + "\n");
}

/// " (12 times in Loop 'while')" for a layer in a body; else "".
std::string where_of(const LayerTime& layer) {
  if (layer.within.empty()) return {};
  const std::string times = layer.calls == 1 ? "" : fmt::format("{:.4g} times ", layer.calls);
  return fmt::format(" ({}in {})", times, shortened(layer.within, 40));
}

void print_table(const std::vector<LayerTime>& rows, std::size_t top, const Ceilings& c) {
  print("{:>10} {:>7} {:>10} {:>9} {:>8} {:>14}  {:28} {}\n", "time us", "share", "to win us", "GFLOP/s", "GB/s",
        "of ceiling", "kernel", "ONNX nodes");
  for (std::size_t i = 0; i < std::min(top, rows.size()); ++i) {
    const LayerTime& r = rows[i];
    print("{:10.1f} {:6.2f}% {:>10} {:9.1f} {:8.2f} {:>14}  {:28} {}\n", r.us, r.share * 100,
          *r.ceiling != 0 ? fmt::format("{:.1f}", r.gain_us) : "", r.gflops, r.gb_s,
          *r.ceiling != 0 ? fmt::format("{:.0f}% {}", r.of_ceiling * 100, r.ceiling) : "", kernel_of(r.step),
          shortened(r.step.name, 60) + where_of(r));
  }
  if (top < rows.size()) print("... and {} more (--top 0 shows all)\n", rows.size() - top);
  std::map<std::string, std::pair<double, int>> by_kernel;
  for (const LayerTime& r : rows) {
    auto& [us, count] = by_kernel[kernel_of(r.step)];
    us += r.us;
    ++count;
  }
  std::vector<std::pair<std::string, std::pair<double, int>>> kernels(by_kernel.begin(), by_kernel.end());
  std::sort(kernels.begin(), kernels.end(),
            [](const auto& a, const auto& b) { return a.second.first > b.second.first; });
  double total = 0, flops = 0;
  for (const LayerTime& r : rows) {
    total += r.us;
    flops += r.step.flops * r.calls;
  }
  print("\nby kernel:\n");
  for (std::size_t i = 0; i < std::min<std::size_t>(kernels.size(), 12); ++i)
    print("{:10.1f} {:6.2f}%  {:4} x {}\n", kernels[i].second.first,
          total > 0 ? kernels[i].second.first / total * 100 : 0, kernels[i].second.second, kernels[i].first);
  print("\n{} steps, {} together, {:.2f} GFLOP, {:.1f} GFLOP/s\n", rows.size(), time_text(total / 1e3), flops * 1e-9,
        total > 0 ? flops / total * 1e-3 : 0);
  if (c.f32_gflops > 0)
    print(
        "ceilings of {}: fp32 {:.0f} GFLOP/s{}, memory read {:.1f} GB/s (above 100 %: from a cache, or fewer "
        "operations "
        "than counted)\n",
        owner_of(c), c.f32_gflops, c.f16_gflops > 0 ? fmt::format(", fp16 {:.0f}", c.f16_gflops) : "", c.read_gb_s);
}

/// What a layer is found by in another profile: the ONNX nodes it computes, or its name where it only rearranges.
using Identity = std::vector<std::string>;
Identity identity_of(const StepProfile& step) { return step.nodes.empty() ? Identity{step.name} : step.nodes; }
Identity identity_of(const Json& layer) {
  const Identity nodes = layer.value("nodes", Identity{});
  return nodes.empty() ? Identity{layer.at("name").get<std::string>()} : nodes;
}

/// Layers are found again by their nodes, so profiles of two models would be one of nonsense.
void require_same_model(const Json& before, const std::vector<LayerTime>& layers, const std::string& path) {
  std::set<std::string> then, now;
  for (const Json& layer : before.at("layers"))
    for (std::string& node : identity_of(layer)) then.insert(std::move(node));
  for (const LayerTime& l : layers)
    for (std::string& node : identity_of(l.step)) now.insert(std::move(node));
  const auto common = std::count_if(then.begin(), then.end(), [&](const std::string& n) { return now.contains(n); });
  if (2 * static_cast<std::size_t>(common) < std::min(then.size(), now.size()))
    throw Error(message("it is a profile of another model: of its {} ONNX nodes {} are among the {} here", then.size(),
                        common, now.size()),
                "a profile of this model: monza profile MODEL --json")
        .at("'" + path + "'");
}

/// What else is other than it was, so that times do not tell of the code alone.
std::vector<std::string> other_conditions(const Json& before, const ProfileResult& now, const Engine::Stats& engine,
                                          int threads) {
  std::vector<std::string> found;
  double flops_then = 0, flops_now = 0;
  for (const Json& layer : before.at("layers")) flops_then += layer.value("flops", 0.0) * layer.value("calls", 1.0);
  for (const LayerTime& l : now.layers) flops_now += l.step.flops * l.calls;
  if (std::abs(flops_now - flops_then) > 0.05 * std::max(flops_now, flops_then))
    found.push_back(
        fmt::format("the work is another, {:.3g} GFLOP then and {:.3g} now: other shapes, or a model of the "
                    "same names",
                    flops_then * 1e-9, flops_now * 1e-9));
  const auto told = [&](const char* what, const std::string& then, const std::string& is) {
    if (!then.empty() && then != is)
      found.push_back(fmt::format("the {} is another, {} then and {} now", what, then, is));
  };
  told("number of threads", before.contains("threads") ? before.at("threads").dump() : "", std::to_string(threads));
  told("instruction set", before.value("isa", ""), engine.isa);
  if (const auto about = before.find("about"); about != before.end())
    told("machine", about->value(Json::json_pointer("/machine/cpu"), ""), cpu_info().model);
  return found;
}

/// A layer of two profiles: found by the ONNX nodes it computes.
struct Change {
  std::string name, kernel_before, kernel_now;
  double before_us = 0, now_us = 0;  ///< 0: only in the other
  double by() const { return now_us - before_us; }
};

/// What changed since an earlier `--json`, largest change first.
std::vector<Change> changes_since(const Json& before, const std::vector<LayerTime>& layers) {
  // Several steps may compute the same nodes (a node computed in parts): they are added up.
  std::map<Identity, Change> found;
  std::vector<Identity> order;
  const auto entry = [&](const Identity& identity, const std::string& name) -> Change& {
    const auto [it, added] = found.try_emplace(identity);
    if (added) {
      it->second.name = name;
      order.push_back(identity);
    }
    return it->second;
  };
  for (const Json& layer : before.at("layers")) {
    Change& c = entry(identity_of(layer), layer.at("name").get<std::string>());
    c.before_us += layer.value("us", layer.at("best_us").get<double>());
    c.kernel_before = layer.at("kernel").get<std::string>();
  }
  for (const LayerTime& l : layers) {
    Change& c = entry(identity_of(l.step), l.step.name);
    c.now_us += l.us;
    c.kernel_now = l.step.kernel;
  }
  std::vector<Change> changes;
  for (const Identity& identity : order) changes.push_back(found[identity]);
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return std::abs(a.by()) > std::abs(b.by()); });
  return changes;
}

/// Reads an earlier `--json`. Throws Error when the file is something else.
Json read_profile(const std::string& path) {
  const auto file = MappedFile::open(path, static_cast<std::size_t>(256) << 20);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  const Json profile = Json::parse(text, nullptr, false);
  const auto is = [](const Json& object, const char* key, bool number) {
    return object.contains(key) && (number ? object[key].is_number() : object[key].is_string());
  };
  const auto are_names = [](const Json& object, const char* key) {
    return !object.contains(key) ||
           (object[key].is_array() &&
            std::all_of(object[key].begin(), object[key].end(), [](const Json& name) { return name.is_string(); }));
  };
  static constexpr const char* kNumbers[] = {"flops", "calls", "us"};  // what earlier versions left out
  bool good = profile.is_object() && is(profile, "best_run_ms", true) && profile.contains("layers") &&
              profile["layers"].is_array();
  if (good)
    for (const Json& layer : profile["layers"])
      good = good && layer.is_object() && is(layer, "name", false) && is(layer, "kernel", false) &&
             is(layer, "best_us", true) && are_names(layer, "nodes") &&
             std::all_of(std::begin(kNumbers), std::end(kNumbers),
                         [&](const char* key) { return !layer.contains(key) || is(layer, key, true); });
  good = good && (!profile.contains("isa") || is(profile, "isa", false));
  if (!good) throw Error("it is no profile", "give what `monza profile MODEL --json` printed").at("'" + path + "'");
  return profile;
}

void print_changes(const Json& before, const ProfileResult& now, std::size_t top) {
  const auto changes = changes_since(before, now.layers);
  double was = 0;
  for (const Change& c : changes) was += c.before_us;
  const auto percent = [](double from, double to) { return from > 0 ? (to / from - 1) * 100 : 0.0; };
  print("\nsince then: best run {} -> {} ({:+.1f} %), layers together {} -> {} ({:+.1f} %)\n",
        time_text(before.at("best_run_ms")), time_text(now.best_run_ms),
        percent(before.at("best_run_ms"), now.best_run_ms), time_text(was / 1e3), time_text(now.layers_us / 1e3),
        percent(was, now.layers_us));
  print("{:>10} {:>10} {:>10} {:>8}  {}\n", "before us", "now us", "change", "", "ONNX nodes");
  for (std::size_t i = 0; i < std::min(top, changes.size()); ++i) {
    const Change& c = changes[i];
    const std::string kernels = c.kernel_before == c.kernel_now
                                    ? ""
                                    : fmt::format("  [{} -> {}]", c.kernel_before.empty() ? "-" : c.kernel_before,
                                                  c.kernel_now.empty() ? "-" : c.kernel_now);
    print("{:>10} {:>10} {:+10.1f} {:>8}  {}{}\n", c.before_us > 0 ? fmt::format("{:.1f}", c.before_us) : "new",
          c.now_us > 0 ? fmt::format("{:.1f}", c.now_us) : "gone", c.by(),
          c.before_us > 0 && c.now_us > 0 ? fmt::format("{:+.1f}%", percent(c.before_us, c.now_us)) : "",
          shortened(c.name, 60), kernels);
  }
  if (top < changes.size()) print("... and {} layers that changed less\n", changes.size() - top);
}

Json report_of(const ModelArgs& model, const Engine& engine, const ProfileResult& profile, int threads,
               const Json* before) {
  const Ceilings& c = profile.ceilings;
  const Summary runs = summarize(profile.run_ms);
  Json report = {
      {"runs", profile.run_ms.size()},
      {"threads", threads},
      {"isa", engine.stats().isa},
      {"replanned", engine.stats().replanned},
      {"best_run_ms", profile.best_run_ms},
      {"run_ms", {{"min", runs.min}, {"median", runs.median}, {"p90", runs.p90}, {"p99", runs.p99}, {"max", runs.max}}},
      {"ceilings",
       {{"f32_gflops", c.f32_gflops},
        {"int8_gops", c.int8_gops},
        {"bf16_gflops", c.bf16_gflops},
        {"f16_gflops", c.f16_gflops},
        {"of", owner_of(c)},
        {"read_gb_s", c.read_gb_s}}},
      {"layers", Json::array()}};
  report["about"] = identity_of(model, engine.stats());
  if (!profile.warning.empty()) report["warning"] = profile.warning;
  const Histogram h = histogram_of(profile.run_ms);
  report["histogram"] = {{"low_ms", h.low}, {"width_ms", h.width}, {"counts", h.counts}, {"above", h.above}};
  for (const LayerTime& r : profile.layers)
    report["layers"].push_back({{"name", r.step.name},
                                {"nodes", r.step.nodes},
                                {"op", r.step.op},
                                {"kernel", r.step.kernel},
                                {"within", r.within},
                                {"calls", r.calls},
                                {"us", r.us},
                                {"best_us", r.step.best_us},
                                {"mean_us", r.step.mean_us},
                                {"share", r.share},
                                {"gain_us", r.gain_us},
                                {"flops", r.step.flops},
                                {"bytes", r.step.bytes},
                                {"gflops", r.gflops},
                                {"gb_s", r.gb_s},
                                {"of_ceiling", r.of_ceiling},
                                {"ceiling", r.ceiling}});
  if (before != nullptr)
    for (const Change& change : changes_since(*before, profile.layers))
      report["changes"].push_back({{"name", change.name},
                                   {"before_us", change.before_us},
                                   {"now_us", change.now_us},
                                   {"kernel_before", change.kernel_before},
                                   {"kernel_now", change.kernel_now}});
  return report;
}

int run(const ProfileArgs& o) {
  Json before;
  if (!o.against.empty()) before = read_profile(o.against);
  const Prepared prepared = prepare(o.model, o.inputs);
  const Engine& engine = prepared.opened.engine;
  Progress progress(!o.json && !o.model.quiet());
  ProfileOptions options;
  options.iterations = o.iterations;
  options.duration = o.duration;
  options.ceilings = !o.no_ceilings;
  options.threads = o.model.threads > 0 ? o.model.threads : engine.stats().threads;
  options.context = o.model.context_options();
  options.before_run = [&](Context& context) { begin_sequence(context, prepared); };
  options.progress = [&](std::string_view what, double fraction) { progress.update(what, fraction); };
  ProfileResult profile;
  try {
    profile = measure_profile(engine, prepared.inputs, options);
  } catch (const RunError& e) {
    throw RunError(with_random_inputs(e.what(), prepared));
  }
  progress.clear();
  if (!o.against.empty()) require_same_model(before, profile.layers, o.against);
  if (!o.trace.empty()) {
    Context context = engine.create_context(o.model.context_options());
    bind_inputs(engine, context, prepared.inputs);
    for (int i = 0; i < 3; ++i) run_checked(context, prepared);
    write_trace(o.trace, prepared, context);
  }
  const Summary t = summarize(profile.run_ms);
  if (!o.histogram.empty())
    write_file(o.histogram, draw_histogram(histogram_of(profile.run_ms), file_name(o.model.model),
                                           {{"median", t.median}, {"p90", t.p90}, {"p99", t.p99}}));
  // Without ceilings nothing is known of what could be won.
  const bool by_gain = o.sort == "gain" && profile.ceilings.f32_gflops > 0;
  if (o.sort != "order")
    std::stable_sort(profile.layers.begin(), profile.layers.end(), [&](const LayerTime& a, const LayerTime& b) {
      return by_gain ? a.gain_us > b.gain_us : a.us > b.us;
    });
  if (o.json) {
    const Json report = report_of(o.model, engine, profile, options.threads, o.against.empty() ? nullptr : &before);
    print_json(report);
    return kExitOk;
  }
  const std::size_t top = o.top > 0 ? static_cast<std::size_t>(o.top) : profile.layers.size();
  print_table(profile.layers, top, profile.ceilings);
  print("\nwhole runs: {} of them, best {}, median {}, p99 {}\n{}", profile.run_ms.size(),
        time_text(profile.best_run_ms), time_text(t.median), time_text(t.p99),
        Lines{text_histogram(histogram_of(profile.run_ms))});
  if (!profile.warning.empty())
    note(message("warning: {}; layers are the least of all runs, so that their sum ({}) says less than whole runs",
                 profile.warning, time_text(profile.layers_us / 1e3)));
  if (!o.against.empty()) {
    print_changes(before, profile, o.top > 0 ? top : 20);
    for (const std::string& other : other_conditions(before, profile, engine.stats(), options.threads))
      note("warning: " + other);
  }
  return kExitOk;
}

}  // namespace

void add_profile(Commands& commands) {
  const auto o = std::make_shared<ProfileArgs>();
  CommandOptions app = commands.add(
      "profile", "Shows the time of each layer, and how near it is to this machine's ceilings.",
      "  monza profile yolov8n.engine --top 20\n"
      "  monza profile bert.onnx --shape batch=1 --shape sequence=128 --threads 1\n"
      "  monza profile yolov8n.engine --sort order          in the order of execution\n"
      "  monza profile yolov8n.engine --json > before.json; ...; monza profile yolov8n.engine --against before.json\n"
      "  monza profile yolov8n.engine --histogram runs.svg  a picture of how long runs took\n"
      "  monza profile yolov8n.engine --trace trace.json    for chrome://tracing or ui.perfetto.dev\n"
      "The time of a layer is its least over all runs; of one in the body of a loop its part of the loop's least, "
      "whose own row is what is left. The ceilings (arithmetic, memory reads) are measured first.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  o->inputs.add_to(app, true);
  app.add_option("--duration", o->duration, "profile for this many seconds (default 2)").positive().type_name("S");
  app.add_option("--iterations", o->iterations, "profile this many runs instead").positive().type_name("N");
  app.add_option("--top", o->top, "show only the N slowest layers").non_negative().type_name("N");
  app.add_option("--sort", o->sort, "gain (default): what could be won up to the ceiling; time; order")
      .one_of({"gain", "time", "order"})
      .type_name("KEY");
  app.add_option("--trace", o->trace, "write a Chrome trace of one run").type_name("FILE").file(FileRole::writes);
  app.add_option("--histogram", o->histogram, "draw the times of whole runs there, as SVG")
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--against", o->against, "an earlier --json: show what changed since")
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_flag("--no-ceilings", o->no_ceilings, "do not measure the ceilings");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
