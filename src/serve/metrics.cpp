#include "serve/metrics.h"

#include <fmt/format.h>

#include "serve/json_out.h"

namespace monza::serve {
namespace {

/// A label's value: quotes, backslashes and line feeds are escaped.
std::string label_text(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out;
}

/// The labels of a model.
std::string labels(std::string_view model, std::int64_t version) {
  return fmt::format("{},version=\"{}\"", model_label(model), version);
}

template <typename... Args>
void line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

std::int64_t load(const std::atomic<std::int64_t>& value) { return value.load(std::memory_order_relaxed); }

}  // namespace

void append_family(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  line(out, "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

std::string model_label(std::string_view model) { return fmt::format("model=\"{}\"", label_text(model)); }

void append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& h) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < Histogram::kBoundsNs.size(); ++i) {
    sum += h.count_at(i);
    line(out, "{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, static_cast<double>(Histogram::kBoundsNs[i]) / 1e9, sum);
  }
  sum += h.count_at(Histogram::kBoundsNs.size());
  line(out, "{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, sum);
  line(out, "{}_sum{{{}}} {}\n{}_count{{{}}} {}\n", name, labels, static_cast<double>(h.sum_ns()) / 1e9, name, labels,
       sum);
}

std::int64_t Histogram::count() const noexcept {
  std::int64_t sum = 0;
  for (const auto& n : counts_) sum += load(n);
  return sum;
}

void ModelMetrics::refuse(Reason reason, Clock::duration time) noexcept {
  refused[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  refused_ns.fetch_add(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(), std::memory_order_relaxed);
}

std::string prometheus_text(const ServerMetrics& server, const std::vector<NamedMetrics>& models) {
  std::string out;
  append_family(out, "monza_connections", "gauge", "Open connections.");
  line(out, "monza_connections {}\n", load(server.connections));
  append_family(out, "monza_connections_accepted_total", "counter", "Connections that were accepted.");
  line(out, "monza_connections_accepted_total {}\n", load(server.accepted));
  append_family(out, "monza_connections_refused_total", "counter", "Connections closed at once: too many were open.");
  line(out, "monza_connections_refused_total {}\n", load(server.turned_away));
  append_family(out, "monza_http_answers_total", "counter", "Answers over HTTP by the class of their status.");
  for (std::size_t i = 2; i < server.answers.size(); ++i)
    line(out, "monza_http_answers_total{{class=\"{}xx\"}} {}\n", i, load(server.answers[i]));

  append_family(out, "monza_grpc_answers_total", "counter", "Answers over gRPC by its status codes.");
  for (std::size_t i = 0; i < server.grpc_answers.size(); ++i)
    if (load(server.grpc_answers[i]) > 0)
      line(out, "monza_grpc_answers_total{{code=\"{}\"}} {}\n", i, load(server.grpc_answers[i]));

  append_family(out, "monza_request_seconds", "histogram",
                "Time of answered inference requests, by phase: input, queue, compute, output and their total.");
  for (const auto& [model, version, m] : models)
    for (std::size_t p = 0; p < kPhases; ++p)
      append_histogram(out, "monza_request_seconds",
                       fmt::format("{},phase=\"{}\"", labels(model, version), kPhaseNames[p]), m->phases[p]);
  append_family(out, "monza_requests_refused_total", "counter",
                "Inference requests that were not answered with outputs.");
  for (const auto& [model, version, m] : models)
    for (std::size_t r = 0; r < kReasons; ++r)
      line(out, "monza_requests_refused_total{{{},reason=\"{}\"}} {}\n", labels(model, version), kReasonNames[r],
           load(m->refused[r]));
  append_family(out, "monza_rows_total", "counter", "Rows that were computed: inferences.");
  for (const auto& [model, version, m] : models)
    line(out, "monza_rows_total{{{}}} {}\n", labels(model, version), load(m->rows));
  append_family(out, "monza_requests_waiting", "gauge", "Requests that are accepted and not yet computed.");
  for (const auto& [model, version, m] : models)
    line(out, "monza_requests_waiting{{{}}} {}\n", labels(model, version), load(m->waiting));
  append_family(out, "monza_batch_rows", "histogram", "Rows of each run.");
  for (const auto& [model, version, m] : models) {
    std::int64_t runs = 0, rows = 0;
    const std::int64_t most = static_cast<std::int64_t>(m->runs_of.size());
    for (std::int64_t n = 1; n <= most; ++n) {
      const std::int64_t count = load(m->runs_of[static_cast<std::size_t>(n - 1)].count);
      runs += count;
      rows += count * n;
      if ((n & (n - 1)) == 0 || n == most)
        line(out, "monza_batch_rows_bucket{{{},le=\"{}\"}} {}\n", labels(model, version), n, runs);
    }
    line(out,
         "monza_batch_rows_bucket{{{0},le=\"+Inf\"}} {1}\nmonza_batch_rows_sum{{{0}}} {2}\n"
         "monza_batch_rows_count{{{0}}} {1}\n",
         labels(model, version), runs, rows);
  }
  return out;
}

Statistics statistics_of(const ModelMetrics& m) {
  Statistics s;
  s.last_unix_ms = load(m.last_unix_ms);
  s.rows = load(m.rows);
  s.refused_ns = load(m.refused_ns);
  for (const auto& n : m.refused) s.refused += load(n);
  for (std::size_t i = 0; i < m.runs_of.size(); ++i) {
    const std::int64_t runs = load(m.runs_of[i].count);
    if (runs == 0) continue;
    s.runs += runs;
    s.batches.push_back({static_cast<std::int64_t>(i) + 1, runs, load(m.runs_of[i].compute_ns)});
  }
  return s;
}

std::string statistics_json(const NamedMetrics& model) {
  const ModelMetrics& m = *model.metrics;
  const auto pair = [](std::int64_t count, std::int64_t ns) {
    return fmt::format("{{\"count\":{},\"ns\":{}}}", count, ns);
  };
  const auto of = [&](Phase p) { return pair(m.phase(p).count(), m.phase(p).sum_ns()); };
  const Statistics s = statistics_of(m);
  std::string batches;
  for (const Statistics::Batch& batch : s.batches)
    // Bytes land in the batch as they come, and are sent from it: no time of a run is spent on them.
    batches += fmt::format("{}{{\"batch_size\":{},\"compute_input\":{},\"compute_infer\":{},\"compute_output\":{}}}",
                           batches.empty() ? "" : ",", batch.rows, pair(batch.runs, 0),
                           pair(batch.runs, batch.compute_ns), pair(batch.runs, 0));
  std::string out = "{\"name\":";
  append_json_string(out, model.model);
  line(out,
       ",\"version\":\"{}\",\"last_inference\":{},\"inference_count\":{},\"execution_count\":{},\"inference_stats\":"
       "{{\"success\":{},\"fail\":{},\"queue\":{},\"compute_input\":{},\"compute_infer\":{},\"compute_output\":{},"
       "\"cache_hit\":{},\"cache_miss\":{}}},\"batch_stats\":[{}]}}",
       model.version, s.last_unix_ms, s.rows, s.runs, of(Phase::total), pair(s.refused, s.refused_ns), of(Phase::queue),
       of(Phase::input), of(Phase::compute), of(Phase::output), pair(0, 0), pair(0, 0), batches);
  return out;
}

}  // namespace monza::serve
