// Requests at a server, and how long it took to answer them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tools/load/http_client.h"
#include "tools/measure/statistics.h"

namespace monza::tool {

struct LoadOptions {
  std::string url;
  int concurrency = 1;                ///< connections, each with one request at a time
  double duration = 5, warmup = 0.5;  ///< seconds
  double rate = 0;  ///< requests a second, at random times; 0: each connection sends as it is answered
  std::uint64_t seed = 0;
};

struct LoadResult {
  Summary latency_ms;         ///< of requests answered with 200
  std::int64_t answered = 0;  ///< with 200
  std::int64_t lost = 0;      ///< sent, and the connection ended without an answer
  std::int64_t refused = 0;   ///< nothing listened any more
  std::map<int, std::int64_t> statuses;
  double seconds = 0;
};

/// Sends `request` (a whole message) again and again. In an open loop (`rate`), latency counts from when the request
/// was due, whether a connection was free or not: a server that falls behind is not asked more gently. Throws RunError
/// when nothing listens at the start.
LoadResult measure_load(const LoadOptions& options, const HttpUrl& url, const std::string& request);

}  // namespace monza::tool
