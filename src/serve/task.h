// What a server answers beside the protocol of KServe: a pipeline around models, such as text in and vectors out. Where
// its requests come from and how they are carried is the server's business.
#pragma once

#include <cstdint>
#include <string>

#include "serve/service.h"

namespace monza::serve {

/// A request whose body is at hand.
struct TaskRequest {
  std::string query;  ///< what stands behind the '?' of the target, as it was sent
  std::string body;
  std::size_t json_bytes = 0;  ///< of the body, before binary tensors: all of it, unless the client says otherwise
};

/// Safe from any thread.
class Task {
 public:
  virtual ~Task() = default;
  /// On a thread for tasks, which may wait for runs. What it throws as RequestError is refused in the form of error();
  /// any other exception is a 500 that tells nothing.
  virtual Answer answer(const TaskRequest& request) const = 0;
  /// "GET" or "POST".
  virtual const char* method() const { return "POST"; }
  /// Longest body: 413 above it.
  virtual std::uint64_t max_body() const { return std::uint64_t{1} << 20; }
  /// The body of a refusal.
  virtual std::string error(int status, std::string_view text) const;
};

}  // namespace monza::serve
