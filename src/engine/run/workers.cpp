// Threads that contexts share.
#include "monza/workers.h"

#include "backend/cpu/thread_pool.h"
#include "base/cpu.h"
#include "base/error.h"

namespace monza {

Workers::Workers(const WorkersOptions& options) {
  if (options.threads < 0) fail_hint("0 for as many as this process may use", "WorkersOptions::threads is negative");
  pool_ = std::make_shared<ThreadPool>(
      ThreadPool::Options{.threads = options.threads > 0 ? options.threads : cpu_info().usable_threads,
                          .pin = options.pin,
                          .spin = options.spin});
}

int Workers::threads() const noexcept { return pool_->threads(); }

}  // namespace monza
