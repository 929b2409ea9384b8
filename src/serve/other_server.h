// A server of another protocol beside HttpServer, which keeps time and hears signals for both.
#pragma once

#include "serve/metrics.h"

namespace monza::serve {

class OtherServer {
 public:
  virtual ~OtherServer() = default;
  /// Accepts nothing further; what was accepted may take until then. Returns at once.
  virtual void close(Clock::time_point until) = 0;
  /// Something that was accepted is not finished.
  virtual bool busy() = 0;
  /// Ends what is not finished. Returns at once.
  virtual void cut() = 0;
  /// Waits for the end that close() or cut() began. The number of requests that were cut.
  virtual int finish() = 0;
};

}  // namespace monza::serve
