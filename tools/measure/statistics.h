// Summaries of measured times.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace monza::tool {

struct Summary {
  double min = 0, mean = 0, median = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
  double spread = 0;  ///< standard deviation over mean
};
/// Percentiles are the nearest rank. All zero for no values.
Summary summarize(std::vector<double> values);

/// How often other work has taken the CPU from this process since it was made.
class Contention {
 public:
  Contention();
  /// Involuntary switches a second.
  double per_second() const;

 private:
  std::int64_t switches_ = 0;
  std::chrono::steady_clock::time_point start_;
};
/// Why least times of parts, each from another run, should not be summed: other work ran `switches` times a second on
/// the CPUs of `threads` threads, or whole runs differ. Empty when neither shows.
std::string crowding(double switches, int threads, const std::vector<double>& run_ms);

/// Why the figures should not be trusted: empty when they look stable. `values` in the order measured.
const char* instability(const std::vector<double>& values);

}  // namespace monza::tool
