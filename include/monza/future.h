// Submitted runs as std::future. Header-only: the engine itself allocates nothing for it.
#pragma once

#include <future>
#include <memory>

#include "monza/engine.h"

namespace monza {

/// Submits a run of `context` and returns a future of its status. One allocation for the promise.
///
///   std::future<monza::Status> done = monza::submit_future(context);
///   if (monza::Status s = done.get(); !s) ...
inline std::future<Status> submit_future(Context& context) {
  auto promise = std::make_unique<std::promise<Status>>();
  std::future<Status> future = promise->get_future();
  // The callback is called exactly once, also when the run is refused: it takes the promise over.
  context.submit(
      [](void* user, Status status) {
        const std::unique_ptr<std::promise<Status>> owned(static_cast<std::promise<Status>*>(user));
        owned->set_value(status);
      },
      promise.release());
  return future;
}

}  // namespace monza
