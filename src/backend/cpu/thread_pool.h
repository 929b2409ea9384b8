// Threads that kernels spread their work over, lent to any number of callers: spin a little, then park.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernel/parallel.h"

namespace monza {

/// Something to be done on a thread of a pool. Belongs to whoever posts it and lies in the pool's queue until it
/// begins.
struct Errand {
  void (*run)(void* context) noexcept = nullptr;
  void* context = nullptr;
  int priority = 0;  ///< higher ones first; equal ones in the order of posting
  Errand* next = nullptr;
};

/// A set of threads. A Team borrows them for kernels, post() for whole errands. Thread-safe.
///
/// A caller takes part in its own jobs, so a pool of N starts N - 1 helpers, and one of 1 none; the N-th thread starts
/// with the first errand. A free helper takes an errand if one waits, else it joins the open job of the highest
/// priority, and among those begins with another one than its neighbours. It leaves a job when no task of it is
/// unclaimed, and after each task if a job of higher priority has been opened meanwhile.
class ThreadPool {
 public:
  struct Options {
    int threads = 1;   ///< that one caller can have, itself included; values below 1 mean 1
    bool pin = false;  ///< bind helper i to the i-th CPU that this process may use (callers are left alone)
    /// How long a helper without work, and a caller whose tasks others still work on, looks for it before it parks.
    /// Longer than between two kernels; no thread burns a CPU for longer.
    std::chrono::microseconds spin{50};
  };
  /// Most teams of one pool at a time.
  static constexpr int kMaxTeams = 1024;

  /// Throws Error when a thread cannot be started.
  explicit ThreadPool(const Options& options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return threads_; }

  /// Has `errand.run(errand.context)` called on a thread of the pool. The errand must live until then. False when the
  /// pool's last thread, which starts with the first errand, cannot be started: nothing was posted.
  bool post(Errand& errand) noexcept;

 private:
  friend class Team;
  struct Job;

  Job& open_job(int threads, int priority);
  void close_job(Job& job) noexcept;
  void run(Job& job, std::int64_t tasks, Parallel::Body body, void* context) noexcept;
  void work(int helper, std::vector<std::uint32_t>& drained) noexcept;
  Errand* next_errand() noexcept;
  bool help_somebody(int helper, std::vector<std::uint32_t>& drained) noexcept;
  bool more_urgent_than(int priority, const std::vector<std::uint32_t>& drained) const noexcept;
  bool take_tasks(Job& job, int seat, const std::vector<std::uint32_t>* drained) noexcept;
  std::uint32_t await_news(std::uint32_t seen) noexcept;
  void announce(std::int64_t wanted) noexcept;
  void start_helper();
  void stop() noexcept;

  const int threads_;
  const bool pin_;
  const std::chrono::microseconds spin_;
  int first_cpu_ = 0;  ///< helpers are placed on the CPUs after it

  alignas(64) std::atomic<std::uint32_t> epoch_{0};  ///< raised for each job and errand; idle helpers watch it
  std::atomic<std::int32_t> sleepers_{0};
  std::atomic<std::int32_t> errand_count_{0};
  std::atomic<int> job_count_{0};  ///< of jobs_: those made so far, in use or not
  std::atomic<bool> stopping_{false};
  std::atomic<bool> mixed_priorities_{false};  ///< some team once had another priority than 0
  std::array<std::unique_ptr<Job>, kMaxTeams> jobs_;

  std::mutex mutex_;  ///< over what follows, and over making and closing of jobs
  Errand* first_errand_ = nullptr;
  std::vector<std::thread> helpers_;
};

/// One caller's claim on a pool: what the kernels of a context run on. One caller at a time; run() neither allocates
/// nor throws.
///
/// The thread with seat i begins with the i-th of a job's equal shares and then helps the others. Kernels number their
/// tasks in the order of memory, and helpers keep their seats where they can, so most of what a kernel reads was
/// written by the same CPU, and claims seldom leave its cache.
class Team final : public Parallel {
 public:
  struct Options {
    int threads = 0;   ///< its share: most that work on a job at once, the caller included; 0: all of the pool's
    int priority = 0;  ///< among the teams of the pool: free threads help the highest first
  };
  /// Throws Error when the pool has no room for another team.
  Team(std::shared_ptr<ThreadPool> pool, const Options& options);
  /// A team with threads of its own.
  explicit Team(const ThreadPool::Options& options);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const noexcept override;
  void run(std::int64_t tasks, Body body, void* context) noexcept override;

 private:
  std::shared_ptr<ThreadPool> pool_;
  ThreadPool::Job& job_;
};

}  // namespace monza
