// How a kernel spreads its work; the backend's thread pool implements it.
#pragma once

#include <cstdint>

#include "base/macros.h"

namespace monza {

/// Runs numbered tasks on this context's threads. One caller at a time; bodies must not call back into it.
class Parallel {
 public:
  using Body = void (*)(void* context, std::int64_t task, int worker) noexcept;
  /// Workers, the calling thread included. `worker` in a body lies in [0, threads()).
  virtual int threads() const noexcept = 0;
  /// Calls body(context, t, worker) once for each t in [0, tasks) and returns when all are done.
  /// Which worker takes a task is not fixed, so results must not depend on it.
  virtual void run(std::int64_t tasks, Body body, void* context) noexcept = 0;

 protected:
  ~Parallel() = default;
};

/// parallel_for(p, n, [&](std::int64_t task, int worker) { ... });
template <typename F>
MONZA_INLINE void parallel_for(Parallel& parallel, std::int64_t tasks, F&& body) {
  if (tasks <= 0) return;
  if (tasks == 1 || parallel.threads() == 1) {
    for (std::int64_t t = 0; t < tasks; ++t) body(t, 0);
    return;
  }
  auto* f = &body;
  using G = decltype(f);
  parallel.run(
      tasks, [](void* context, std::int64_t task, int worker) noexcept { (**static_cast<G*>(context))(task, worker); },
      &f);
}

}  // namespace monza
