#include "tools/measure/bench.h"

#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/cpu.h"
#include "base/error.h"
#include "base/output_file.h"
#include "engine/build_report.h"
#include "engine/run/engine_impl.h"
#include "eval/run.h"
#include "tools/args/usage_error.h"
#include "tools/measure/identity.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

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
    note(message("the time to load is not measured: {}", e.what()));
  }
  std::filesystem::remove(path, error);
}

/// What one stream measured.
struct Stream {
  std::vector<double> ms;
  std::string error;
  std::vector<std::string> not_finite;
  double context_ms = 0, first_ms = 0;
};

/// Runs one context until the time or the count is reached; `go` starts all streams together after their warm-up.
class Measurement {
 public:
  Measurement(const BenchOptions& options, const Engine& engine, const std::vector<Tensor>& inputs)
      : o_(options), engine_(engine), inputs_(inputs) {}

  std::vector<Stream> run(const ContextOptions& context_options) {
    std::vector<Stream> streams(static_cast<std::size_t>(o_.streams));
    std::vector<std::thread> threads;
    for (int i = 1; i < o_.streams; ++i)
      threads.emplace_back([&, i] { work(streams[static_cast<std::size_t>(i)], context_options, false); });
    work(streams[0], context_options, true);
    for (std::thread& t : threads) t.join();
    return streams;
  }
  double wall_ms() const { return wall_ms_; }

 private:
  void work(Stream& stream, const ContextOptions& context_options, bool leads) {
    try {
      const Stopwatch made;
      Context context = engine_.create_context(context_options);
      stream.context_ms = made.ms();
      bind_inputs(engine_, context, inputs_);
      Stopwatch first;
      check(context, context.run());
      stream.first_ms = first.ms();
      const Stopwatch warm;
      for (int i = 0; i < 2 || warm.ms() < o_.warmup * 1e3; ++i) check(context, context.run());
      // Room for every time: growing while measuring would be measured too.
      const double one = std::max(warm.ms() / 3, 0.001);
      stream.ms.reserve(o_.iterations > 0 ? static_cast<std::size_t>(o_.iterations)
                                          : static_cast<std::size_t>(std::min(2e6, 1e4 + 4 * o_.duration * 1e3 / one)));
      ready_.fetch_add(1);
      while (ready_.load() < o_.streams && !failed_.load()) std::this_thread::yield();
      Progress progress(leads && !o_.json && !o_.model.quiet());
      const Stopwatch all;
      double now = 0, shown = 0;
      // Clocks are read once for each run: the end of one is the begin of the next.
      while (o_.iterations > 0 ? stream.ms.size() < static_cast<std::size_t>(o_.iterations)
                               : now < o_.duration * 1e3 || stream.ms.size() < 5) {
        check(context, context.run());
        const double end = all.ms();
        stream.ms.push_back(end - now);
        now = end;
        if (leads && now - shown > 200) {
          shown = now;
          progress.update("measuring", o_.iterations > 0 ? static_cast<double>(stream.ms.size()) / o_.iterations
                                                         : now / (o_.duration * 1e3));
          now = all.ms();
        }
        if (failed_.load()) return;
      }
      const std::lock_guard lock(mutex_);
      wall_ms_ = std::max(wall_ms_, now);
      for (const TensorInfo& out : engine_.outputs())
        if (const std::string strange = out.kind == ValueKind::tensor ? eval::not_finite(context.output(out.name)) : "";
            leads && !strange.empty())
          stream.not_finite.push_back(fmt::format("output '{}': {}", out.name, strange));
    } catch (const std::exception& e) {
      stream.error = e.what();
      failed_.store(true);
    }
  }

  const BenchOptions& o_;
  const Engine& engine_;
  const std::vector<Tensor>& inputs_;
  std::atomic<int> ready_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  double wall_ms_ = 0;
};

void export_times(const std::string& path, const std::vector<Stream>& streams) {
  std::string text;
  if (path.ends_with(".json")) {
    auto all = Json::array();
    for (const Stream& s : streams) all.push_back(s.ms);
    text = json_text({{"unit", "ms"}, {"streams", all}}, -1) + "\n";
  } else {
    text = "stream,run,ms\n";
    for (std::size_t i = 0; i < streams.size(); ++i)
      for (std::size_t k = 0; k < streams[i].ms.size(); ++k)
        text += fmt::format("{},{},{:.6f}\n", i, k, streams[i].ms[k]);
  }
  write_file(path, text);
}

}  // namespace

Measured measure(BenchOptions o, eval::DataSet* samples) {
  const int all_threads = o.model.threads > 0 ? o.model.threads : 0;
  if (o.streams > 1)
    o.model.threads = std::max(1, (all_threads > 0 ? all_threads : cpu_info().usable_threads) / o.streams);
  Measured m;
  m.rss_before = peak_resident_bytes();
  BuildHooks hooks;
  hooks.session = o.session;
  Prepared prepared = prepare(o.model, o.inputs, &hooks);
  if (prepared.opened.built) reload(prepared.opened);
  const Engine& engine = prepared.opened.engine;
  m.stats = engine.stats();
  prepared.inputs = in_fast_memory(engine, std::move(prepared.inputs));
  Measurement measurement(o, engine, prepared.inputs);
  const std::vector<Stream> streams = measurement.run(o.model.context_options());
  std::vector<double> all;
  for (const Stream& s : streams) {
    if (!s.error.empty()) throw RunError(with_random_inputs(s.error, prepared));
    all.insert(all.end(), s.ms.begin(), s.ms.end());
  }
  if (!o.export_times.empty()) export_times(o.export_times, streams);
  m.latency = summarize(all);
  m.throughput = static_cast<double>(all.size()) / (measurement.wall_ms() / 1e3);
  m.warning = instability(streams[0].ms);
  m.not_finite = streams[0].not_finite;
  m.runs = all.size();
  m.context_ms = streams[0].context_ms;
  m.first_ms = streams[0].first_ms;
  m.load_ms = prepared.opened.load_ms;
  m.build_ms = prepared.opened.build_ms;
  m.built = prepared.opened.built;
  if (m.stats.device != Device::cpu)
    m.transfers = measure_transfers(engine, o.model.context_options(), prepared.inputs, std::min(o.duration, 1.0));
  m.rss_peak = peak_resident_bytes();
  m.threads = o.model.threads > 0 ? o.model.threads : m.stats.threads;
  // On the reference device they are what was asked for.
  if (m.stats.device != Device::reference && has_reference_kernels(engine.impl().image.plan))
    m.references = measure_references(engine, prepared.inputs, o.model.context_options());
  if (samples != nullptr) {
    Progress progress(!o.json && !o.model.quiet());
    m.accuracy = samples->measure(engine, o.model.context_options(),
                                  [&](double fraction) { progress.update("accuracy", fraction); });
  }
  return m;
}

Json to_json(const Measured& m, const BenchOptions& bench) {
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
                 {"peak_rss_mib", static_cast<double>(m.rss_peak) / mib},
                 {"arena_bytes", m.stats.arena_bytes},
                 {"arena_lower_bound_bytes", m.stats.arena_lower_bound_bytes},
                 {"context_ms", m.context_ms},
                 {"first_run_ms", m.first_ms},
                 {"rss_before_mib", static_cast<double>(m.rss_before) / mib},
                 {"replanned", m.stats.replanned},
                 {"runs", m.runs},
                 {"streams", bench.streams},
                 {"threads_per_stream", m.threads}};
  if (*m.warning != 0) report["warning"] = m.warning;
  if (!m.not_finite.empty()) report["not_finite"] = m.not_finite;
  if (m.references.share >= kReferenceNotice)
    report["reference_kernels"] = {{"kernels", m.references.kernels}, {"share", m.references.share}};
  report["about"] = identity_of(bench.model, m.stats);
  if (m.transfers) {
    report["transfers"] = {{"to_device_ms", m.transfers->to_device_ms},
                           {"to_device_bytes", m.transfers->to_device_bytes},
                           {"to_host_ms", m.transfers->to_host_ms},
                           {"to_host_bytes", m.transfers->to_host_bytes}};
    if (m.transfers->without)
      report["transfers"]["latency_without_ms"] = {{"min", m.transfers->without->min},
                                                   {"median", m.transfers->without->median},
                                                   {"p99", m.transfers->without->p99}};
  }
  if (m.accuracy) {
    Json& accuracy = report["accuracy"];
    accuracy = {{"metric", m.accuracy->metric}, {"value", m.accuracy->value}, {"samples", m.accuracy->samples}};
    for (const auto& [name, value] : m.accuracy->further) accuracy[name] = value;
  }
  return report;
}

}  // namespace monza::tool
