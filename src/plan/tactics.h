// Measured times of kernels on the device at hand, and the cache of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backend/cpu/thread_pool.h"
#include "base/cpu.h"
#include "kernel/kernel.h"

namespace monza::plan {

struct TacticOptions {
  int threads = 1;
  std::string cache_file;  ///< read when made, written by save(); "" for none
  double max_seconds = 0;  ///< budget of all measurements; 0 for none
};

/// Times kernels on random data. Keys name the CPU, the threads, the kernel and its version, parameters, types,
/// shapes and layouts, so a cached time is only used for the very same question. Not thread-safe.
class Tactics {
 public:
  /// A cache file that cannot be read or is damaged is ignored with a warning: it only costs time.
  explicit Tactics(const TacticOptions& options);

  /// Microseconds of one execution (the smallest of several), or 0 when the budget is spent.
  double time(const Kernel& kernel, const KernelQuery& query);
  /// What converting that many bytes between layouts costs, from the copy kernels' measured rate.
  double conversion_us(std::int64_t bytes);
  /// Writes new timings; a failure to write is a warning.
  void save() const;

  std::int64_t measured() const { return measured_; }
  std::int64_t cached() const { return cached_; }

 private:
  double measure(const Kernel& kernel, const KernelQuery& query);
  std::string key(const Kernel& kernel, const KernelQuery& query) const;

  TacticOptions options_;
  ThreadPool pool_;
  std::map<std::string, double> times_;
  std::chrono::steady_clock::time_point start_;
  double bytes_per_us_ = 0;
  std::int64_t measured_ = 0, cached_ = 0;
  bool changed_ = false;
};

}  // namespace monza::plan
