// monza bench: latency and throughput, as trtexec's users expect them.
#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/cpu.h"
#include "base/error.h"
#include "tools/chart.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/model_args.h"
#include "tools/shape_text.h"
#include "tools/statistics.h"
#include "tools/svg.h"
#include "tools/terminal.h"

namespace monza::tool {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelArgs model;
  InputArgs inputs;
  int iterations = 0, streams = 1;
  double duration = 3, warmup = 0.3;
  std::string export_times, sweep, chart;
  bool json = false;
};

/// A model built now is written, mapped and measured as its engine file would be, so that load_ms and the memory of
/// runs mean the same for both. Where no file can be written it stays as it is, and load_ms 0.
void reload(ModelArgs::Opened& opened) {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "monza_bench_XXXXXX").string();
  const int fd = error ? -1 : ::mkstemp(path.data());
  if (fd < 0) return;
  ::close(fd);
  try {
    opened.engine.save(path);
    const Stopwatch watch;
    Engine loaded = Engine::load(path);
    opened.load_ms = watch.ms();
    opened.engine = std::move(loaded);
  } catch (const Error& e) {
    note(fmt::format("the time to load is not measured: {}", e.what()));
  }
  std::filesystem::remove(path, error);
}

/// What one stream measured.
struct Stream {
  std::vector<double> ms;
  std::string error;
  double first_ms = 0;
};

/// Runs one context until the time or the count is reached; `go` starts all streams together after their warm-up.
class Measurement {
 public:
  Measurement(const Options& options, const Engine& engine, const std::vector<Tensor>& inputs)
      : o_(options), engine_(engine), inputs_(inputs) {}

  std::vector<Stream> run(const ContextOptions& context_options) {
    std::vector<Stream> streams(std::size_t(o_.streams));
    std::vector<std::thread> threads;
    for (int i = 1; i < o_.streams; ++i)
      threads.emplace_back([&, i] { work(streams[std::size_t(i)], context_options, false); });
    work(streams[0], context_options, true);
    for (std::thread& t : threads) t.join();
    return streams;
  }
  double wall_ms() const { return wall_ms_; }

 private:
  void work(Stream& stream, const ContextOptions& context_options, bool leads) {
    try {
      Context context = engine_.create_context(context_options);
      bind_inputs(engine_, context, inputs_);
      Stopwatch first;
      check(context, context.run());
      stream.first_ms = first.ms();
      const Stopwatch warm;
      for (int i = 0; i < 2 || warm.ms() < o_.warmup * 1e3; ++i) check(context, context.run());
      // Room for every time: growing while measuring would be measured too.
      const double one = std::max(warm.ms() / 3, 0.001);
      stream.ms.reserve(o_.iterations > 0 ? std::size_t(o_.iterations)
                                          : std::size_t(std::min(2e6, 1e4 + 4 * o_.duration * 1e3 / one)));
      ready_.fetch_add(1);
      while (ready_.load() < o_.streams && !failed_.load()) std::this_thread::yield();
      Progress progress(leads && !o_.json && !o_.model.quiet());
      const Stopwatch all;
      double now = 0, shown = 0;
      // Clocks are read once for each run: the end of one is the begin of the next.
      while (o_.iterations > 0 ? stream.ms.size() < std::size_t(o_.iterations)
                               : now < o_.duration * 1e3 || stream.ms.size() < 5) {
        check(context, context.run());
        const double end = all.ms();
        stream.ms.push_back(end - now);
        now = end;
        if (leads && now - shown > 200) {
          shown = now;
          progress.update("measuring",
                          o_.iterations > 0 ? double(stream.ms.size()) / o_.iterations : now / (o_.duration * 1e3));
          now = all.ms();
        }
        if (failed_.load()) return;
      }
      const std::lock_guard lock(mutex_);
      wall_ms_ = std::max(wall_ms_, now);
    } catch (const std::exception& e) {
      stream.error = e.what();
      failed_.store(true);
    }
  }

  const Options& o_;
  const Engine& engine_;
  const std::vector<Tensor>& inputs_;
  std::atomic<int> ready_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  double wall_ms_ = 0;
};

void export_times(const std::string& path, const std::vector<Stream>& streams) {
  std::ofstream out(path);
  if (path.ends_with(".json")) {
    auto all = nlohmann::json::array();
    for (const Stream& s : streams) all.push_back(s.ms);
    out << nlohmann::json{{"unit", "ms"}, {"streams", all}}.dump() << '\n';
  } else {
    out << "stream,run,ms\n";
    for (std::size_t i = 0; i < streams.size(); ++i)
      for (std::size_t k = 0; k < streams[i].ms.size(); ++k)
        out << fmt::format("{},{},{:.6f}\n", i, k, streams[i].ms[k]);
  }
  out.flush();
  if (!out) throw Error(fmt::format("cannot write '{}'", path), "give a folder that exists and may be written");
}

/// What a measurement found, and what it was of.
struct Measured {
  Summary latency;
  double throughput = 0, first_ms = 0, load_ms = 0, build_ms = 0;
  bool built = false;
  std::size_t runs = 0;
  int threads = 1;
  Engine::Stats stats;
  std::int64_t rss_before = 0, rss_peak = 0;
  const char* warning = "";
};

Measured measure(Options o) {
  const int all_threads = o.model.threads > 0 ? o.model.threads : 0;
  if (o.streams > 1)
    o.model.threads = std::max(1, (all_threads > 0 ? all_threads : cpu_info().usable_threads) / o.streams);
  Measured m;
  m.rss_before = peak_resident_bytes();
  Prepared prepared = prepare(o.model, o.inputs);
  if (prepared.opened.built) reload(prepared.opened);
  const Engine& engine = prepared.opened.engine;
  m.stats = engine.stats();
  Measurement measurement(o, engine, prepared.inputs);
  const std::vector<Stream> streams = measurement.run(o.model.context_options());
  std::vector<double> all;
  for (const Stream& s : streams) {
    if (!s.error.empty()) throw RunError(s.error);
    all.insert(all.end(), s.ms.begin(), s.ms.end());
  }
  if (!o.export_times.empty()) export_times(o.export_times, streams);
  m.latency = summarize(all);
  m.throughput = double(all.size()) / (measurement.wall_ms() / 1e3);
  m.warning = instability(streams[0].ms);
  m.runs = all.size();
  m.first_ms = streams[0].first_ms;
  m.load_ms = prepared.opened.load_ms;
  m.build_ms = prepared.opened.build_ms;
  m.built = prepared.opened.built;
  m.rss_peak = peak_resident_bytes();
  m.threads = o.model.threads > 0 ? o.model.threads : m.stats.threads;
  return m;
}

Json to_json(const Measured& m, int streams) {
  const Summary& t = m.latency;
  const double mib = 1 << 20;
  Json report = {{"latency_ms",
                  {{"min", t.min},
                   {"mean", t.mean},
                   {"median", t.median},
                   {"p90", t.p90},
                   {"p95", t.p95},
                   {"p99", t.p99},
                   {"max", t.max}}},
                 {"throughput_per_s", m.throughput},
                 {"load_ms", m.load_ms},
                 {"build_ms", m.build_ms},
                 {"peak_rss_mib", double(m.rss_peak) / mib},
                 {"arena_bytes", m.stats.arena_bytes},
                 {"arena_lower_bound_bytes", m.stats.arena_lower_bound_bytes},
                 {"first_run_ms", m.first_ms},
                 {"rss_before_mib", double(m.rss_before) / mib},
                 {"runs", m.runs},
                 {"streams", streams},
                 {"threads_per_stream", m.threads}};
  if (*m.warning != 0) report["warning"] = m.warning;
  return report;
}

/// Measures at every value of "KEY=V1,V2,...".
int run_sweep(const Options& o) {
  const auto [key, list] = split_assignment(o.sweep, "--sweep");
  std::vector<std::string> values;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    values.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  if (key == "precision" && o.model.is_engine())
    throw UsageError(
        "--sweep precision builds anew, and the model is an engine that is built already\n"
        "  try: give the ONNX file");
  std::vector<Options> settings;  // all are checked before the first is measured
  for (const std::string& value : values) {
    settings.push_back(o);
    settings.back().model = o.model.with(key, value);
  }
  std::vector<SweepPoint> points;
  Json report = {{"sweep", key}, {"points", Json::array()}};
  if (!o.json)
    fmt::print("{:>12} {:>11} {:>11} {:>11} {:>14}\n", key, "min", "median", "p99",
               key == "batch" ? "items/s" : "runs/s");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Measured m = measure(settings[i]);
    // A run of a batch is that many items.
    const double items = m.throughput * (key == "batch" ? std::stod(values[i]) : 1);
    points.push_back({values[i], m.latency.median, m.latency.p99, items});
    Json point = to_json(m, o.streams);
    point["value"] = values[i];
    point["items_per_s"] = items;
    report["points"].push_back(std::move(point));
    if (o.json) continue;
    fmt::print("{:>12} {:>11} {:>11} {:>11} {:14.1f}{}\n", values[i], time_text(m.latency.min),
               time_text(m.latency.median), time_text(m.latency.p99), items, *m.warning != 0 ? "  unsteady" : "");
    std::fflush(stdout);
  }
  if (!o.chart.empty()) {
    write_text_file(o.chart, draw_sweep(key, file_name(o.model.model), points));
    if (!o.json) fmt::print("drawn in '{}'\n", o.chart);
  }
  if (o.json) fmt::print("{}\n", report.dump(1));
  return kExitOk;
}

int run(const Options& o) {
  if (!o.chart.empty() && o.sweep.empty())
    throw UsageError("--chart draws a sweep\n  try: --sweep batch=1,2,4,8 --chart FILE.svg");
  if (!o.sweep.empty()) return run_sweep(o);
  const Measured m = measure(o);
  if (o.json) {
    fmt::print("{}\n", to_json(m, o.streams).dump(1));
    return kExitOk;
  }
  const Summary& t = m.latency;
  fmt::print("{} runs, {} stream{} of {} thread{}, {}, {}\n", m.runs, o.streams, o.streams > 1 ? "s" : "", m.threads,
             m.threads > 1 ? "s" : "", precision_name(m.stats.precision), m.stats.isa);
  fmt::print("latency     min {}  mean {}  median {}  p90 {}  p95 {}  p99 {}  max {}\n", time_text(t.min),
             time_text(t.mean), time_text(t.median), time_text(t.p90), time_text(t.p95), time_text(t.p99),
             time_text(t.max));
  fmt::print("throughput  {:.1f} runs/s\n", m.throughput);
  if (m.built) fmt::print("build       {}\n", time_text(m.build_ms));
  fmt::print("load        {}, first run {}\n", time_text(m.load_ms), time_text(m.first_ms));
  fmt::print(
      "memory      peak resident set {}{} ({} of it before the model), activations {} (lower bound {}), weights {}\n",
      bytes_text(double(m.rss_peak)), m.built ? ", the build included" : "", bytes_text(double(m.rss_before)),
      bytes_text(double(m.stats.arena_bytes)), bytes_text(double(m.stats.arena_lower_bound_bytes)),
      bytes_text(double(m.stats.weights_bytes)));
  if (*m.warning != 0) note(fmt::format("warning: {}", m.warning));
  return kExitOk;
}

}  // namespace

void add_bench(Commands& commands) {
  const auto o = std::make_shared<Options>();
  CommandOptions app = commands.add(
      "bench", "Measures latency, throughput, load time and memory of a model.",
      "  monza bench yolov8n.engine                            3 seconds after a warm-up\n"
      "  monza bench yolov8n.onnx --threads 1 --duration 10    builds first, then measures\n"
      "  monza bench bert.onnx --shape batch=1 --shape sequence=128 --precision bf16\n"
      "  monza bench resnet50.engine --streams 4 --threads 8   4 contexts of 2 threads each: throughput\n"
      "  monza bench model.onnx --sweep batch=1,2,4,8 --chart sweep.svg    latency and throughput (also threads=,\n"
      "                                                        precision=, a dimension's name)\n"
      "  monza bench model.engine --iterations 1000 --export-times times.csv --json\n"
      "Inputs are random unless --input gives them. build_ms is 0 for an engine file; an ONNX file is built, written "
      "to a\n"
      "temporary engine file and mapped. peak_rss_mib is of the whole process (with the build, if there was one),\n"
      "rss_before_mib what it held before it touched the model.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  o->inputs.add_to(app, true);
  app.add_option("--duration", o->duration, "measure for this many seconds (default 3)").positive().type_name("S");
  app.add_option("--iterations", o->iterations, "measure this many runs of each stream instead")
      .positive()
      .type_name("N");
  app.add_option("--warmup", o->warmup, "seconds of runs before measuring (default 0.3; three runs at least)")
      .non_negative()
      .type_name("S");
  app.add_option("--streams", o->streams, "contexts that run side by side, each with its share of the threads")
      .range(1, 1024)
      .type_name("N");
  app.add_option("--export-times", o->export_times, "write the time of every run: .json, else CSV").type_name("FILE");
  app.add_option("--sweep", o->sweep, "measure at several values: batch=1,2,4,8, threads=1,2, precision=fp32,bf16")
      .type_name("KEY=V,V..");
  app.add_option("--chart", o->chart, "draw the sweep there, as SVG").type_name("FILE");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
