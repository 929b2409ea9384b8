// What is written down of a request once it is answered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "serve/metrics.h"

namespace monza::serve {

struct Slot;

/// The W3C's trace context, as a request may carry it: of which trace it is part, and of which span there.
struct TraceParent {
  std::string trace_id, span_id;  ///< 32 and 16 hexadecimal digits
  bool sampled = false;
};
/// Of a header's value ("00-TRACE-SPAN-01"); nothing for one that is none: then the standard wants it to be ignored.
std::optional<TraceParent> parse_traceparent(std::string_view text);

struct RequestRecord {
  const char* protocol = "http";
  std::string_view method;  ///< of HTTP
  std::string_view target;  ///< without its query; a method of gRPC
  std::string_view client;  ///< its address
  int status = 0;           ///< of HTTP (499: the client was gone), or gRPC's code
  bool computes = false;    ///< it asks for a model or a task, not for what there is: others are not traced
  std::string_view model, id;
  std::int64_t version = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  Clock::time_point started;
  std::int64_t rows = 0, batch_rows = 0;  ///< 0: it was not computed
  Clock::time_point ready, begun, ended;  ///< where it was computed
  std::string_view traceparent;           ///< as it was sent

  /// The times of a slot whose run is done.
  void take_times(const Slot& slot);
};

}  // namespace monza::serve
