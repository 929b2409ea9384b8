// What a server offers, whatever carries it: models by name, their scheduler, and answers to all that is no inference.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "serve/access.h"
#include "serve/metrics.h"
#include "serve/model_control.h"
#include "serve/observer.h"
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
class Stream;

/// A whole answer, or one that is still to come.
struct Answer {
  int status = 200;
  std::string body;
  const char* type = "application/json";
  std::string binary;  ///< tensors that follow the body, as KServe's binary tensor extension has it
  /// The body is what is written there: sent as it comes (chunked), or when all of it is there.
  std::shared_ptr<Stream> stream = nullptr;
  bool whole = false;
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
    load,
    unload,
    trace_setting,
    change_trace_setting,
    log_settings,
    change_log_settings,
    metrics
  };
  What what = What::server;
  std::string model;
  std::string version;  ///< of the model; "": the latest
  std::string region;   ///< of shared memory; "": all
  const Task* task = nullptr;
};
/// Whether the request has a body that says something.
bool takes_body(Route::What what);
Access::Need need_of(Route::What what);

/// Throws RequestError: 404 for a target that is none, 405 for another method than its own, 501 for what KServe v2 and
/// its extensions know and this server does not do.
Route parse_route(std::string_view method, std::string_view target);

/// The extensions of KServe v2 that are served.
inline constexpr std::string_view kExtensions[] = {
    "binary_tensor_data", "classification", "logging", "model_configuration",
    "model_repository",   "statistics",     "trace",   "system_shared_memory"};

class Service {
 public:
  /// `shared_prefixes`: of the names of shared memory that clients may register.
  explicit Service(const SchedulerOptions& options, const ServiceLimits& limits = {},
                   std::vector<std::string> shared_prefixes = {})
      : limits(limits), shared_memory(std::move(shared_prefixes)), scheduler(options) {}

  using Model = std::shared_ptr<ModelQueue>;
  /// Makes what the model runs in and warms it up; publish() lets clients have it, in the place of what has its name
  /// and version. Requests that have the old one finish there.
  Model prepare(std::shared_ptr<const ServedModel> model, const ContextOptions& context) {
    return scheduler.add(std::move(model), context);
  }
  void publish(const Model& model);
  /// Both, of a model whose name nobody has. Throws Error.
  void add(std::shared_ptr<const ServedModel> model, const ContextOptions& context);
  /// What is answered at a path, such as "/v1/embeddings". Only before requests come.
  void add_task(std::string path, std::shared_ptr<const Task> task);
  /// parse_route(), and the tasks.
  Route route(std::string_view method, std::string_view target) const;
  /// Clients have it no more. What is none is no error.
  void remove(std::string_view name, std::int64_t version);

  /// Throws RequestError: 404. An empty version is the latest.
  Model model(std::string_view name, std::string_view version = {}) const;
  bool has(std::string_view name, std::string_view version) const;
  std::vector<Model> models() const;  ///< by name and version
  std::vector<std::int64_t> versions(std::string_view name) const;
  std::vector<ModelControl::IndexEntry> index() const;

  /// The routes load and unload: `done` is told of the end, on any thread. Throws RequestError.
  void change_models(const Route& route, std::string_view body, ModelControl::Done done);
  /// All routes but infer, task, load and unload. Throws RequestError.
  Answer answer(const Route& route, std::string_view body);

  const ServiceLimits limits;
  SharedMemory shared_memory;
  Scheduler scheduler;
  ServerMetrics metrics;
  TaskPool task_threads;
  Observer observer;                          ///< its files are opened before requests come
  Access access;                              ///< set before requests come
  bool admin_apart = false;                   ///< what is an admin's has a port of its own; set before requests come
  std::function<std::string()> more_metrics;  ///< what stands behind those of models; set before requests come
  ModelControl* control = nullptr;            ///< who loads and unloads; set before requests come; null: nobody
  std::atomic<bool> draining{false};          ///< not ready for further requests; those that come are still answered

 private:
  Model find(std::string_view name, std::string_view version) const;

  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::int64_t, Model>, std::less<>> models_;
  std::map<std::string, std::shared_ptr<const Task>, std::less<>> tasks_;
};

}  // namespace monza::serve
