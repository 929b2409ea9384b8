// What a server counts, in the text form that Prometheus reads and in KServe v2's statistics.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace monza::serve {

using Clock = std::chrono::steady_clock;

/// Counts of durations between bounds from 10 us to 10 s, and their sum. Thread-safe: numbers of one reading may differ
/// by what is being added.
class Histogram {
 public:
  static constexpr std::array<std::int64_t, 19> kBoundsNs = {
      10'000,      25'000,       50'000,       100'000,       250'000,       500'000,     1'000'000,
      2'500'000,   5'000'000,    10'000'000,   25'000'000,    50'000'000,    100'000'000, 250'000'000,
      500'000'000, 1000'000'000, 2500'000'000, 5'000'000'000, 10'000'000'000};

  void add(Clock::duration time) noexcept {
    const std::int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
    std::size_t i = 0;
    while (i < kBoundsNs.size() && ns > kBoundsNs[i]) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(ns, std::memory_order_relaxed);
  }
  std::int64_t count() const noexcept;
  std::int64_t sum_ns() const noexcept { return sum_ns_.load(std::memory_order_relaxed); }
  std::int64_t count_at(std::size_t bucket) const noexcept { return counts_[bucket].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<std::int64_t>, kBoundsNs.size() + 1> counts_{};
  std::atomic<std::int64_t> sum_ns_{0};
};

/// The parts of a request's time in the server. input: from its head to its last byte in the batch; queue: until its
/// run begins; compute: the run; output: until its answer has been handed to the network; total: all of it.
enum class Phase : std::uint8_t { input, queue, compute, output, total };
inline constexpr const char* kPhaseNames[] = {"input", "queue", "compute", "output", "total"};
inline constexpr std::size_t kPhases = std::size(kPhaseNames);

/// Why a request was not computed.
enum class Reason : std::uint8_t { invalid, queue_full, timed_out, failed, cancelled };
inline constexpr const char* kReasonNames[] = {"invalid", "queue_full", "timed_out", "failed", "cancelled"};
inline constexpr std::size_t kReasons = std::size(kReasonNames);

/// Of one model. Thread-safe.
struct ModelMetrics {
  explicit ModelMetrics(std::int64_t max_rows) : runs_of(static_cast<std::size_t>(max_rows)) {}

  std::array<Histogram, kPhases> phases;  ///< of requests that were answered with outputs
  std::array<std::atomic<std::int64_t>, kReasons> refused{};
  std::atomic<std::int64_t> rows{0};          ///< computed, of requests that were answered with outputs
  std::atomic<std::int64_t> refused_ns{0};    ///< their time in the server
  std::atomic<std::int64_t> last_unix_ms{0};  ///< when the last one was answered
  std::atomic<std::int64_t> waiting{0};       ///< requests that are accepted and not yet computed
  struct Runs {
    std::atomic<std::int64_t> count{0}, compute_ns{0};
  };
  std::vector<Runs> runs_of;  ///< by rows - 1

  Histogram& phase(Phase p) { return phases[static_cast<std::size_t>(p)]; }
  const Histogram& phase(Phase p) const { return phases[static_cast<std::size_t>(p)]; }
  void refuse(Reason reason, Clock::duration time) noexcept;
};

/// Of the server as a whole. Thread-safe.
struct ServerMetrics {
  std::atomic<std::int64_t> connections{0}, accepted{0}, turned_away{0};
  /// Answers by hundreds of the status: [2] those from 200 to 299.
  std::array<std::atomic<std::int64_t>, 6> answers{};
  std::array<std::atomic<std::int64_t>, 17> grpc_answers{};  ///< by gRPC's status codes
};

struct NamedMetrics {
  std::string_view model;
  std::int64_t version;
  const ModelMetrics* metrics;
};
/// Parts of Prometheus' text exposition format: what a family is, the label of a model, a histogram's lines.
void append_family(std::string& out, std::string_view name, std::string_view type, std::string_view help);
std::string model_label(std::string_view model);
void append_histogram(std::string& out, std::string_view name, std::string_view labels, const Histogram& histogram);
/// Prometheus' text exposition format, version 0.0.4.
std::string prometheus_text(const ServerMetrics& server, const std::vector<NamedMetrics>& models);
/// What KServe v2's statistics extension tells of a model beside its phases.
struct Statistics {
  struct Batch {
    std::int64_t rows, runs, compute_ns;
  };
  std::int64_t last_unix_ms = 0, rows = 0, runs = 0, refused = 0, refused_ns = 0;
  std::vector<Batch> batches;  ///< by the rows of a run: those that there were
};
Statistics statistics_of(const ModelMetrics& metrics);
/// An element of `model_stats` in KServe v2's statistics extension.
std::string statistics_json(const NamedMetrics& model);

}  // namespace monza::serve
