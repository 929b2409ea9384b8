// What a server offers, whatever carries it: models by name, their scheduler, and answers to all that is no inference.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "serve/metrics.h"
#include "serve/scheduler.h"

namespace monza::serve {

/// What one client may cost. Reaching a limit is an answer with the status given.
struct ServiceLimits {
  std::size_t max_head = 16 << 10;                    ///< bytes of a head: 431
  std::size_t max_json = 1 << 20;                     ///< bytes of JSON before binary tensors: 413
  std::uint64_t max_body = std::uint64_t{256} << 20;  ///< bytes of a body: 413
  int max_connections = 1024;                         ///< further ones are closed at once with 503
  std::chrono::milliseconds head_time{10'000};        ///< from the first byte of a request to the last of its head
  /// For a body or an answer to pass, beside what its bytes take at the least rate.
  std::chrono::milliseconds transfer_time{30'000};
  std::int64_t least_rate = 64 << 10;           ///< bytes a second
  std::chrono::milliseconds idle_time{75'000};  ///< that a connection may be open between requests
};

/// A whole answer.
struct Answer {
  int status = 200;
  std::string body;
  const char* type = "application/json";
};

/// What a request's target names.
struct Route {
  enum class What : std::uint8_t {
    live,
    ready,
    server,
    all_statistics,
    index,
    model,
    model_ready,
    config,
    statistics,
    infer,
    metrics
  };
  What what = What::server;
  std::string model;
};

/// Throws RequestError: 404 for a target that is none, 405 for another method than its own, 501 for what KServe v2 and
/// its extensions know and this server does not do.
Route parse_route(std::string_view method, std::string_view target);

class Service {
 public:
  explicit Service(const SchedulerOptions& options, const ServiceLimits& limits = {})
      : limits(limits), scheduler(options) {}

  /// Only before requests come. Throws Error when there is a model of that name.
  void add(std::shared_ptr<const ServedModel> model, const ContextOptions& context);
  /// Throws RequestError: 404.
  ModelQueue& model(std::string_view name);
  /// All routes but infer. Throws RequestError.
  Answer answer(const Route& route);

  const ServiceLimits limits;
  Scheduler scheduler;
  ServerMetrics metrics;
  std::atomic<bool> draining{false};  ///< not ready for further requests; those that come are still answered

 private:
  std::map<std::string, ModelQueue*, std::less<>> models_;
};

}  // namespace monza::serve
