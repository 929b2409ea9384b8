// Measured times of kernels on the device at hand, and the cache of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "backend/cpu/thread_pool.h"
#include "backend/device.h"
#include "kernel/kernel.h"
#include "monza/engine.h"

namespace monza::plan {

/// Times kernels on random data. Keys name the device, the threads, the kernel and its version, parameters,
/// types, shapes and layouts, so a cached time is only used for the very same question. The cache grows line by line as
/// kernels are timed: a build that is killed leaves what it has measured to the next. Not thread-safe.
class Tactics {
 public:
  /// Of the options count: threads; timing_cache, which is read now and to which every new timing is appended at once;
  /// max_build_seconds, the budget of all measurements; limits.timing_bytes, as kernels with larger operands are not
  /// timed; tactic_seed, from which times are drawn instead of measured, some as if the budget were spent, with no
  /// cache. A cache file that cannot be read, or lines of it that are damaged, are ignored: they only cost time. Throws
  /// Error for a file that is something else, which is left as it is.
  explicit Tactics(const BuildOptions& options);
  ~Tactics();
  Tactics(const Tactics&) = delete;
  Tactics& operator=(const Tactics&) = delete;

  /// Microseconds of one execution (the smallest of several). nullopt when the budget is spent, or when the kernel
  /// fails on random data.
  std::optional<double> time(const Kernel& kernel, const KernelQuery& query, DeviceKind device = DeviceKind::cpu);
  /// Microseconds of converting `shape` from one form to another (each dense, channels_last, blocked8 or blocked16) on
  /// a device, measured with `copy`, a kernel of Copy. When the budget is spent: modelled from the bytes.
  double conversion_us(const Kernel& copy, DeviceKind device, DType dtype, const Shape& shape, Port from, Port to);
  /// Microseconds of copying dense elements between the host and a device. When the budget is spent: modelled.
  double transfer_us(DeviceKind device, bool to_device, DType dtype, const Shape& shape);

  /// Whether it would know the same had it been made for these options.
  bool serves(const BuildOptions& options) const;
  /// Begins anew to count, and to spend a budget of seconds (0: no limit). What is known stays known.
  void restart(double max_seconds);
  /// Bytes of constants that a run reads beside those of the kernel that is timed. Where a device's caches do not hold
  /// them, kernels are timed with constants that are not there. 0: they are.
  void set_constant_bytes(std::int64_t bytes) { constant_bytes_ = bytes; }
  std::int64_t measured() const { return measured_; }
  std::int64_t cached() const { return cached_; }
  std::int64_t over_budget() const { return over_budget_; }  ///< questions that came when the budget was spent

 private:
  struct OpenDevice {
    std::shared_ptr<backend::Device> device;
    std::string identity;  ///< what times depend on beside the question: the device's own, or the seed
  };
  OpenDevice& open(DeviceKind kind);
  std::optional<double> time(const Kernel& kernel, const KernelQuery& query, DeviceKind device, const Ports& in,
                             const Ports& out);
  /// What is known under the key, or what `measure` finds (0: nothing), as the cache and the budget allow.
  template <typename F>
  std::optional<double> look_up(std::string key, F&& measure);
  double measure(const Kernel& kernel, const KernelQuery& query, backend::Device& device, const Ports& in,
                 const Ports& out);
  /// How many copies of the kernel's constants take turns.
  int turns(const KernelQuery& query, const backend::Device& device) const;
  std::string key(const Kernel& kernel, const KernelQuery& query, const std::string& identity) const;
  std::optional<double> draw(const std::string& key) const;
  void read_cache();
  [[noreturn]] void refuse_cache() const;
  std::string open_cache();
  void append(const std::string& line);

  const int threads_;
  const std::string asked_cache_;
  const std::int64_t max_bytes_;
  const std::optional<std::uint64_t> seed_;
  std::string cache_file_;  ///< "" for none
  double max_seconds_;
  std::int64_t constant_bytes_ = 0;
  std::map<DeviceKind, OpenDevice> devices_;
  Team team_;
  std::map<std::string, double> times_;  ///< by key; 0: the kernel fails on random data
  std::chrono::steady_clock::time_point start_;
  std::int64_t measured_ = 0, cached_ = 0, over_budget_ = 0;
  int cache_ = -1;         ///< descriptor of the cache, opened by the first append
  bool new_line_ = false;  ///< the cache ends in the middle of a line
  bool outdated_ = false;  ///< the file holds nothing that can be appended to
};

}  // namespace monza::plan
