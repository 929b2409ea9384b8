// Threads that kernels spread their work over: spin a little, then park.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "kernel/parallel.h"

namespace monza {

/// A fixed set of threads for one caller at a time. The calling thread takes part, so a pool of N starts
/// N - 1 threads, and a pool of 1 none. run() neither allocates nor throws.
///
/// Worker i begins with the i-th N-th of a job's tasks and then helps the others. Kernels number their tasks in the
/// order of memory, so most of what a kernel reads was written by the same CPU, and claims seldom leave its cache.
class ThreadPool final : public Parallel {
 public:
  struct Options {
    int threads = 1;         ///< workers, the caller included; values below 1 mean 1
    bool pin = false;        ///< bind worker i to the i-th CPU that this process may use (the caller is left alone)
    int spin_rounds = 4000;  ///< pauses before an idle worker parks: about 50 microseconds, longer than between kernels
  };
  /// Throws Error when a thread cannot be started.
  explicit ThreadPool(const Options& options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept override { return static_cast<int>(workers_.size()) + 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override;

 private:
  void work(int worker) noexcept;
  void take_tasks(int worker) noexcept;
  void stop() noexcept;
  /// The first task of a worker's share.
  std::int64_t share_begin(int worker) const noexcept { return tasks_ * worker / threads(); }

  // The job. Written by the caller while nobody can hold a claim, read only by holders of one.
  Body body_ = nullptr;
  void* context_ = nullptr;
  std::int64_t tasks_ = 0;

  struct alignas(64) Share {
    std::atomic<std::int64_t> unclaimed{0};  ///< its last tasks, which nobody has taken; below 1: none
  };
  std::vector<Share> shares_;                            ///< one a worker
  alignas(64) std::atomic<std::int64_t> unfinished_{0};  ///< tasks not done; the caller waits for 0
  alignas(64) std::atomic<std::uint32_t> epoch_{0};      ///< raised for each job; idle workers watch it
  std::atomic<std::int32_t> sleepers_{0};
  std::atomic<std::uint32_t> caller_sleeps_{0};
  std::atomic<bool> stopping_{false};
  int spin_rounds_;
  std::vector<std::thread> workers_;
};

}  // namespace monza
