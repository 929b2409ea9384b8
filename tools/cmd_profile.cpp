// monza profile: where the time of an inference goes, and how near each layer is to what the machine can do.
#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "tools/ceilings.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/model_args.h"
#include "tools/terminal.h"

namespace monza::tool {
namespace {

struct Options {
  ModelArgs model;
  InputArgs inputs;
  int iterations = 0, top = 0;
  double duration = 2;
  std::string trace, sort = "time";
  bool json = false, no_ceilings = false;
};

struct Row {
  StepProfile step;
  double us = 0, share = 0;
  double gflops = 0, gb_s = 0;
  double of_ceiling = 0;     ///< of the nearer of the two ceilings; 0 when it was not measured
  const char* ceiling = "";  ///< which one: "fp32", "int8", "bf16", "memory"
};

/// The arithmetic that a kernel uses, by what its name and operator say.
std::pair<double, const char*> arithmetic(const StepProfile& s, const Ceilings& c) {
  const auto says = [&](const char* word) {
    return s.op.find(word) != std::string::npos || s.kernel.find(word) != std::string::npos;
  };
  if (says("bf16") && c.bf16_gflops > 0) return {c.bf16_gflops, "bf16"};
  if ((says("integer") || says("Integer") || says("qconv") || says("qmatmul") || says("qlinear") || says("QLinear") ||
       says("vnni") || says("u8")) &&
      c.int8_gops > 0)
    return {c.int8_gops, "int8"};
  return {c.f32_gflops, "fp32"};
}

std::vector<Row> rows_of(const std::vector<StepProfile>& profile, const Ceilings& c) {
  std::vector<Row> rows;
  double total = 0;
  for (const StepProfile& s : profile) {
    if (s.runs == 0) continue;
    Row r;
    r.step = s;
    r.us = s.best_us;
    total += r.us;
    if (r.us > 0) {
      r.gflops = s.flops / r.us * 1e-3;
      r.gb_s = s.bytes / r.us * 1e-3;
      const auto [peak, name] = arithmetic(s, c);
      const double compute = peak > 0 ? r.gflops / peak : 0, memory = c.read_gb_s > 0 ? r.gb_s / c.read_gb_s : 0;
      r.of_ceiling = std::max(compute, memory);
      r.ceiling = r.of_ceiling == 0 ? "" : compute >= memory ? name : "memory";
    }
    rows.push_back(std::move(r));
  }
  for (Row& r : rows) r.share = total > 0 ? r.us / total : 0;
  return rows;
}

void write_trace(const std::string& path, const Engine& engine, Context& context) {
  context.set_profiling(false);
  context.set_profiling(true);  // one run alone: its begins and its times belong together
  check(context, context.run());
  auto events = nlohmann::ordered_json::array();
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
  const nlohmann::ordered_json trace = {
      {"displayTimeUnit", "ns"},
      {"otherData", {{"isa", engine.stats().isa}, {"threads", engine.stats().threads}}},
      {"traceEvents", events}};
  std::ofstream out(path);
  out << trace.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  out.flush();
  if (!out) throw Error(fmt::format("cannot write '{}'", path), "give a folder that exists and may be written");
}

void print_table(const std::vector<Row>& rows, std::size_t top, const Ceilings& c) {
  fmt::print("{:>10} {:>7} {:>9} {:>8} {:>14}  {:28} {}\n", "time us", "share", "GFLOP/s", "GB/s", "of ceiling",
             "kernel", "ONNX nodes");
  for (std::size_t i = 0; i < std::min(top, rows.size()); ++i) {
    const Row& r = rows[i];
    std::string name = r.step.name;
    if (name.size() > 60) name = name.substr(0, 57) + "...";
    fmt::print("{:10.1f} {:6.2f}% {:9.1f} {:8.2f} {:>14}  {:28} {}\n", r.us, r.share * 100, r.gflops, r.gb_s,
               *r.ceiling != 0 ? fmt::format("{:.0f}% {}", r.of_ceiling * 100, r.ceiling) : "",
               r.step.kernel.empty() ? r.step.op : r.step.kernel, name);
  }
  if (top < rows.size()) fmt::print("... and {} more (--top 0 shows all)\n", rows.size() - top);
  std::map<std::string, std::pair<double, int>> by_kernel;
  for (const Row& r : rows) {
    auto& [us, count] = by_kernel[r.step.kernel.empty() ? r.step.op : r.step.kernel];
    us += r.us;
    ++count;
  }
  std::vector<std::pair<std::string, std::pair<double, int>>> kernels(by_kernel.begin(), by_kernel.end());
  std::sort(kernels.begin(), kernels.end(),
            [](const auto& a, const auto& b) { return a.second.first > b.second.first; });
  const double total =
      std::accumulate(rows.begin(), rows.end(), 0.0, [](double sum, const Row& r) { return sum + r.us; });
  const double flops =
      std::accumulate(rows.begin(), rows.end(), 0.0, [](double sum, const Row& r) { return sum + r.step.flops; });
  fmt::print("\nby kernel:\n");
  for (std::size_t i = 0; i < std::min<std::size_t>(kernels.size(), 12); ++i)
    fmt::print("{:10.1f} {:6.2f}%  {:4} x {}\n", kernels[i].second.first,
               total > 0 ? kernels[i].second.first / total * 100 : 0, kernels[i].second.second, kernels[i].first);
  fmt::print("\n{} steps, {} together, {:.2f} GFLOP, {:.1f} GFLOP/s\n", rows.size(), time_text(total / 1e3),
             flops * 1e-9, total > 0 ? flops / total * 1e-3 : 0);
  if (c.f32_gflops > 0)
    fmt::print(
        "ceilings of {} thread{}: fp32 {:.0f} GFLOP/s, memory read {:.1f} GB/s (above 100 %: the data came from a "
        "cache)\n",
        c.threads, c.threads > 1 ? "s" : "", c.f32_gflops, c.read_gb_s);
}

int run(const Options& o) {
  const Prepared prepared = prepare(o.model, o.inputs);
  const Engine& engine = prepared.opened.engine;
  const int threads = o.model.threads > 0 ? o.model.threads : engine.stats().threads;
  Progress progress(!o.json && !o.model.quiet());
  Ceilings ceilings;
  if (!o.no_ceilings) {
    progress.update("ceilings", 0);
    ceilings = measure_ceilings(threads, cpu_info().isa);
  }
  Context context = engine.create_context(o.model.context_options());
  bind_inputs(engine, context, prepared.inputs);
  for (int i = 0; i < 3; ++i) check(context, context.run());
  context.set_profiling(true);
  const Stopwatch watch;
  int runs = 0;
  double least = 0;
  for (; o.iterations > 0 ? runs < o.iterations : runs < 3 || watch.ms() < o.duration * 1e3; ++runs) {
    const Stopwatch one;
    check(context, context.run());
    least = runs == 0 ? one.ms() : std::min(least, one.ms());
    progress.update("profiling", o.iterations > 0 ? double(runs) / o.iterations : watch.ms() / (o.duration * 1e3));
  }
  progress.clear();
  std::vector<Row> rows = rows_of(context.profile(), ceilings);
  if (!o.trace.empty()) write_trace(o.trace, engine, context);
  if (o.sort == "time")
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.us > b.us; });
  if (o.json) {
    nlohmann::ordered_json report = {{"runs", runs},
                                     {"threads", threads},
                                     {"isa", engine.stats().isa},
                                     {"best_run_ms", least},
                                     {"ceilings",
                                      {{"f32_gflops", ceilings.f32_gflops},
                                       {"int8_gops", ceilings.int8_gops},
                                       {"bf16_gflops", ceilings.bf16_gflops},
                                       {"read_gb_s", ceilings.read_gb_s}}},
                                     {"layers", nlohmann::json::array()}};
    for (const Row& r : rows)
      report["layers"].push_back({{"name", r.step.name},
                                  {"op", r.step.op},
                                  {"kernel", r.step.kernel},
                                  {"best_us", r.step.best_us},
                                  {"mean_us", r.step.mean_us},
                                  {"share", r.share},
                                  {"flops", r.step.flops},
                                  {"bytes", r.step.bytes},
                                  {"gflops", r.gflops},
                                  {"gb_s", r.gb_s},
                                  {"of_ceiling", r.of_ceiling},
                                  {"ceiling", r.ceiling}});
    fmt::print("{}\n", report.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
    return kExitOk;
  }
  print_table(rows, o.top > 0 ? std::size_t(o.top) : rows.size(), ceilings);
  fmt::print("best whole run {} over {} runs\n", time_text(least), runs);
  return kExitOk;
}

}  // namespace

void add_profile(Commands& commands) {
  const auto o = std::make_shared<Options>();
  CLI::App& app = commands.add(
      "profile", "Shows the time of each layer, and how near it is to this machine's ceilings.",
      "  monza profile yolov8n.engine --top 20\n"
      "  monza profile bert.onnx --shape batch=1 --shape sequence=128 --threads 1\n"
      "  monza profile yolov8n.engine --sort order          in the order of execution\n"
      "  monza profile yolov8n.engine --trace trace.json    for chrome://tracing or ui.perfetto.dev\n"
      "The time of a layer is its least over all runs. The ceilings (arithmetic, memory reads) are measured first.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  o->inputs.add_to(app, true);
  app.add_option("--duration", o->duration, "profile for this many seconds (default 2)")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  app.add_option("--iterations", o->iterations, "profile this many runs instead")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  app.add_option("--top", o->top, "show only the N slowest layers")->check(CLI::NonNegativeNumber)->type_name("N");
  app.add_option("--sort", o->sort, "time (default) or order")
      ->check(CLI::IsMember({"time", "order"}))
      ->type_name("KEY");
  app.add_option("--trace", o->trace, "write a Chrome trace of one run")->type_name("FILE");
  app.add_flag("--no-ceilings", o->no_ceilings, "do not measure the ceilings");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
