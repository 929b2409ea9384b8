// Threads that the contexts of a process share.
//
//   monza::Workers workers({.threads = 8});
//   monza::Context a = detector.create_context({.workers = workers, .threads = 4});
//   monza::Context b = classifier.create_context({.workers = workers, .priority = 1});
#pragma once

#include <chrono>
#include <memory>

namespace monza {

class ThreadPool;

struct WorkersOptions {
  int threads = 0;   ///< 0: as many as this process may use
  bool pin = false;  ///< bind each thread to one CPU
  /// How long a thread that has nothing to do looks for work before it sleeps: longer than between two layers of a run,
  /// and the longest that waiting takes a CPU from others. 0: it sleeps at once.
  std::chrono::microseconds spin{50};
};

/// A pool of threads for any number of contexts of any engines, which run at the same time from any threads: name it in
/// ContextOptions::workers. Whoever calls Context::run works on that run itself; Context::submit leaves it to the pool.
/// Free threads help the run of the highest ContextOptions::priority, at most ContextOptions::threads of them. Results
/// do not depend on who helps. Thread-safe; cheap to copy (shared ownership): the threads end with the last copy and
/// the last context.
class Workers {
 public:
  /// Throws Error when a thread cannot be started.
  explicit Workers(const WorkersOptions& options = {});
  /// That one run can have, its caller included.
  int threads() const noexcept;
  const std::shared_ptr<ThreadPool>& pool() const noexcept { return pool_; }

 private:
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace monza
