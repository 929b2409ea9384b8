// What a server offers, whatever carries it: models by name, their scheduler, and answers to all that is no inference.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "serve/metrics.h"
#include "serve/scheduler.h"
#include "serve/shared_memory.h"
#include "serve/task_pool.h"

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

class Task;

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
    shared_status,
    shared_register,
    shared_unregister,
    task,
    metrics
  };
  What what = What::server;
  std::string model;
  std::string region;  ///< of shared memory; "": all
  const Task* task = nullptr;
};
/// Whether the request has a body that says something.
bool takes_body(Route::What what);

/// Throws RequestError: 404 for a target that is none, 405 for another method than its own, 501 for what KServe v2 and
/// its extensions know and this server does not do.
Route parse_route(std::string_view method, std::string_view target);

/// The extensions of KServe v2 that are served.
inline constexpr std::string_view kExtensions[] = {"binary_tensor_data", "classification", "model_configuration",
                                                   "model_repository",   "statistics",     "system_shared_memory"};

class Service {
 public:
  /// `shared_prefixes`: of the names of shared memory that clients may register.
  explicit Service(const SchedulerOptions& options, const ServiceLimits& limits = {},
                   std::vector<std::string> shared_prefixes = {})
      : limits(limits), shared_memory(std::move(shared_prefixes)), scheduler(options) {}

  /// Only before requests come. Throws Error when there is a model of that name.
  void add(std::shared_ptr<const ServedModel> model, const ContextOptions& context);
  /// What is answered at a path, such as "/v1/embeddings". Only before requests come.
  void add_task(std::string path, std::shared_ptr<const Task> task);
  /// parse_route(), and the tasks.
  Route route(std::string_view method, std::string_view target) const;
  /// Throws RequestError: 404. An empty version is any.
  ModelQueue& model(std::string_view name, std::string_view version = {});
  bool has(std::string_view name, std::string_view version) const;
  const std::map<std::string, ModelQueue*, std::less<>>& models() const { return models_; }
  /// All routes but infer and task. Throws RequestError.
  Answer answer(const Route& route, std::string_view body);

  const ServiceLimits limits;
  SharedMemory shared_memory;
  Scheduler scheduler;
  ServerMetrics metrics;
  TaskPool task_threads;
  std::atomic<bool> draining{false};  ///< not ready for further requests; those that come are still answered

 private:
  std::map<std::string, ModelQueue*, std::less<>> models_;
  std::map<std::string, std::shared_ptr<const Task>, std::less<>> tasks_;
};

}  // namespace monza::serve
