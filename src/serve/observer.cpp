#include "serve/observer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <iterator>
#include <tuple>

#include "serve/json_out.h"

namespace monza::serve {
namespace {

using Unix = std::chrono::system_clock;

void append_text(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  fmt::format_to(std::back_inserter(out), ",\"{}\":", key);
  append_json_string(out, value);
}

void append_microseconds(std::string& out, std::string_view key, Clock::duration time) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":{:.1f}", key,
                 std::chrono::duration<double, std::micro>(time).count());
}

std::string access_line(const RequestRecord& r, Clock::time_point now, std::string_view trace_id) {
  const auto ms = std::chrono::time_point_cast<std::chrono::milliseconds>(Unix::now() - (now - r.started));
  std::string out = fmt::format("{{\"time\":\"{:%FT%T}.{:03}Z\"", fmt::gmtime(Unix::to_time_t(ms)),
                                ms.time_since_epoch().count() % 1000);
  append_text(out, "client", r.client);
  append_text(out, "protocol", r.protocol);
  append_text(out, "method", r.method);
  append_text(out, "target", r.target);
  fmt::format_to(std::back_inserter(out), ",\"status\":{},\"bytes_in\":{},\"bytes_out\":{}", r.status, r.bytes_in,
                 r.bytes_out);
  append_microseconds(out, "total_us", now - r.started);
  append_text(out, "model", r.model);
  if (r.version > 0) fmt::format_to(std::back_inserter(out), ",\"version\":{}", r.version);
  append_text(out, "id", r.id);
  if (r.rows > 0) {
    append_microseconds(out, "input_us", r.ready - r.started);
    append_microseconds(out, "queue_us", r.begun - r.ready);
    append_microseconds(out, "compute_us", r.ended - r.begun);
    append_microseconds(out, "output_us", now - r.ended);
    fmt::format_to(std::back_inserter(out), ",\"rows\":{},\"batch_rows\":{}", r.rows, r.batch_rows);
  }
  append_text(out, "trace_id", trace_id);
  return out += '}';
}

/// Attributes as OTLP's JSON has them.
class Attributes {
 public:
  Attributes& text(std::string_view key, std::string_view value) {
    if (value.empty()) return *this;
    begin(key);
    out_ += "{\"stringValue\":";
    append_json_string(out_, value);
    out_ += "}}";
    return *this;
  }
  Attributes& number(std::string_view key, std::int64_t value) {
    begin(key);
    fmt::format_to(std::back_inserter(out_), "{{\"intValue\":\"{}\"}}}}", value);
    return *this;
  }
  std::string list() const { return "[" + out_ + "]"; }

 private:
  void begin(std::string_view key) {
    fmt::format_to(std::back_inserter(out_), "{}{{\"key\":\"{}\",\"value\":", out_.empty() ? "" : ",", key);
  }
  std::string out_;
};

struct Span {
  std::string trace_id, id, parent;
  std::string_view name;
  int kind = 1;  ///< 1: inside, 2: of a server
  Clock::time_point begin, end;
  std::string attributes = "[]";
  bool failed = false;
};

void append_span(std::string& out, const Span& span, std::int64_t clock_offset_ns) {
  const auto ns = [&](Clock::time_point at) {
    return clock_offset_ns + std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
  };
  fmt::format_to(std::back_inserter(out), "{{\"traceId\":\"{}\",\"spanId\":\"{}\"", span.trace_id, span.id);
  if (!span.parent.empty()) fmt::format_to(std::back_inserter(out), ",\"parentSpanId\":\"{}\"", span.parent);
  out += ",\"name\":";
  append_json_string(out, span.name);
  fmt::format_to(std::back_inserter(out),
                 ",\"kind\":{},\"startTimeUnixNano\":\"{}\",\"endTimeUnixNano\":\"{}\",\"attributes\":{},"
                 "\"status\":{{{}}}}}",
                 span.kind, ns(span.begin), ns(span.end), span.attributes, span.failed ? "\"code\":2" : "");
}

}  // namespace

/// Digits of random words, none of which is zero.
std::string Observer::new_id(int words) {
  std::string id;
  for (int i = 0; i < words; ++i) fmt::format_to(std::back_inserter(id), "{:016x}", random_() | 1);
  return id;
}

bool Observer::traced(const std::optional<TraceParent>& parent) {
  if (!tracing.on.load(std::memory_order_relaxed)) return false;
  if (parent ? !parent->sampled : untraced_.fetch_add(1) % tracing.rate.load() != 0) return false;
  std::int64_t left = tracing.left.load();
  while (left > 0 && !tracing.left.compare_exchange_weak(left, left - 1)) {
  }
  return left != 0;
}

void Observer::report(const RequestRecord& record) {
  const Clock::time_point now = Clock::now();
  const std::optional<TraceParent> parent = parse_traceparent(record.traceparent);
  if (access.is_open()) access.add(access_line(record, now, parent ? parent->trace_id : ""));
  if (!record.computes || !traced(parent)) return;
  const bool grpc = record.method.empty();
  const std::lock_guard lock(mutex_);  // of the random numbers
  const Span whole{.trace_id = parent ? parent->trace_id : new_id(2),
                   .id = new_id(1),
                   .parent = parent ? parent->span_id : "",
                   .name = record.target,
                   .kind = 2,
                   .begin = record.started,
                   .end = now,
                   .attributes = Attributes()
                                     .text("http.request.method", record.method)
                                     .number(grpc ? "rpc.grpc.status_code" : "http.response.status_code", record.status)
                                     .text("client.address", record.client)
                                     .text("monza.model.name", record.model)
                                     .number("monza.model.version", record.version)
                                     .text("monza.request.id", record.id)
                                     .number("monza.batch.rows", record.batch_rows)
                                     .list(),
                   .failed = grpc ? record.status != 0 : record.status >= 500};
  const std::int64_t offset =
      std::chrono::duration_cast<std::chrono::nanoseconds>(Unix::now().time_since_epoch() - now.time_since_epoch())
          .count();
  std::string out =
      "{\"resourceSpans\":[{\"resource\":{\"attributes\":" + Attributes().text("service.name", "monza").list() +
      "},\"scopeSpans\":[{\"scope\":{\"name\":\"monza.serve\"},\"spans\":[";
  append_span(out, whole, offset);
  const std::tuple<Phase, Clock::time_point, Clock::time_point> parts[] = {{Phase::input, record.started, record.ready},
                                                                           {Phase::queue, record.ready, record.begun},
                                                                           {Phase::compute, record.begun, record.ended},
                                                                           {Phase::output, record.ended, now}};
  if (record.rows > 0)
    for (const auto& [phase, begin, end] : parts) {
      out += ',';
      append_span(out,
                  {.trace_id = whole.trace_id,
                   .id = new_id(1),
                   .parent = whole.id,
                   .name = kPhaseNames[static_cast<std::size_t>(phase)],
                   .begin = begin,
                   .end = end},
                  offset);
    }
  traces.add(out + "]}]}]}");
}

void Observer::flush() {
  access.flush();
  traces.flush();
}

}  // namespace monza::serve
