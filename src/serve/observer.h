// What a server tells of single requests: an access log, and spans for OpenTelemetry.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>

#include "serve/line_file.h"
#include "serve/request_record.h"

namespace monza::serve {

/// Thread-safe once the files are open.
class Observer {
 public:
  /// Which requests are traced. A request whose parent is sampled always is, one whose parent is not never.
  struct Tracing {
    static constexpr std::int64_t kRate = 1000;
    std::atomic<bool> on{false};
    std::atomic<std::int64_t> rate{kRate};  ///< of the others one in so many
    std::atomic<std::int64_t> left{-1};     ///< no more than so many from now on; -1: no end
  };

  LineFile access;  ///< a JSON object a request
  LineFile traces;  ///< a JSON object a trace, as OTLP has it (ExportTraceServiceRequest)
  Tracing tracing;

  /// Somebody listens: else records need not be made.
  bool on() const { return access.is_open() || tracing.on.load(std::memory_order_relaxed); }
  /// The request is answered now.
  void report(const RequestRecord& record);
  void flush();

 private:
  bool traced(const std::optional<TraceParent>& parent);
  std::string new_id(int words);

  std::atomic<std::int64_t> untraced_{0};
  std::mutex mutex_;
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace monza::serve
