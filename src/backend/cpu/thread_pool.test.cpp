#include "backend/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "support/error_text.h"

namespace monza {
namespace {

TEST(ThreadPool, EveryTaskRunsOnceWhateverTheCounts) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool({.threads = threads});
    ASSERT_EQ(pool.threads(), threads);
    for (std::int64_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(tasks));
      std::atomic<bool> bad_worker{false};
      parallel_for(pool, tasks, [&](std::int64_t t, int worker) {
        hits[static_cast<std::size_t>(t)].fetch_add(1);
        if (worker < 0 || worker >= threads) bad_worker = true;
      });
      for (auto& h : hits) EXPECT_EQ(h.load(), 1) << threads << " threads, " << tasks << " tasks";
      EXPECT_FALSE(bad_worker);
    }
  }
}

TEST(ThreadPool, AWorkerBeginsWithItsOwnShare) {
  ThreadPool pool({.threads = 3});
  for (int run = 0; run < 100; ++run) {
    std::atomic<int> begun{0};
    int worker_of[3] = {-1, -1, -1};
    parallel_for(pool, 3, [&](std::int64_t t, int worker) {
      worker_of[t] = worker;
      ++begun;
      while (begun.load() < 3) std::this_thread::yield();  // nobody is free to help
    });
    for (int t = 0; t < 3; ++t) ASSERT_EQ(worker_of[t], t);
  }
}

TEST(ThreadPool, WritesOfOneRunAreSeenByTheNext) {
  // Plain memory, no atomics: the pool itself must order one run after the other.
  ThreadPool pool({.threads = 4});
  std::vector<std::int64_t> data(257, 0);
  for (int run = 0; run < 3000; ++run)
    parallel_for(pool, static_cast<std::int64_t>(data.size()), [&](std::int64_t t, int) {
      const std::size_t i = static_cast<std::size_t>(t);
      data[i] += 1;
    });
  for (std::int64_t v : data) EXPECT_EQ(v, 3000);
}

TEST(ThreadPool, ParkedWorkersWakeAgain) {
  for (int spin : {0, 10}) {  // at once, and soon: both ways into the futex
    ThreadPool pool({.threads = 3, .spin_rounds = spin});
    for (int run = 0; run < 300; ++run) {
      std::atomic<int> sum{0};
      parallel_for(pool, 6, [&](std::int64_t t, int) { sum += static_cast<int>(t); });
      ASSERT_EQ(sum, 15);
      if (run % 30 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST(ThreadPool, TheCallerSleepsThroughALongTaskOfAnother) {
  ThreadPool pool({.threads = 2, .spin_rounds = 5});
  for (int run = 0; run < 20; ++run) {
    std::atomic<int> done{0};
    parallel_for(pool, 2, [&](std::int64_t, int worker) {
      if (worker != 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      ++done;
    });
    ASSERT_EQ(done, 2);
  }
}

TEST(ThreadPool, MoreThanOneThreadTakesPart) {
  ThreadPool pool({.threads = 2});
  std::set<int> workers;
  // The second thread may be slow to come; tasks that wait for it prove that it does.
  std::atomic<int> arrived{0};
  int seen[2] = {-1, -1};
  parallel_for(pool, 2, [&](std::int64_t t, int worker) {
    seen[t] = worker;
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_NE(seen[0], seen[1]);
}

/// The CPUs that the caller may use and those that worker 1 may.
std::array<int, 2> usable_cpus(ThreadPool& pool) {
  std::atomic<int> arrived{0};
  std::array<int, 2> cpus{};
  parallel_for(pool, 2, [&](std::int64_t, int worker) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    cpus[static_cast<std::size_t>(worker)] = CPU_COUNT(&set);
  });
  return cpus;
}

TEST(ThreadPool, PinnedWorkersHaveOneCpu) {
  ThreadPool pool({.threads = 2, .pin = true});
  EXPECT_EQ(usable_cpus(pool)[1], 1);
}

TEST(ThreadPool, OtherWorkersMayUseEveryCpuThatTheCallerMay) {
  ThreadPool pool({.threads = 2});
  const auto [caller, worker] = usable_cpus(pool);
  EXPECT_EQ(worker, caller);
}

TEST(ThreadPool, ComesAndGoesManyTimes) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool({.threads = 1 + i % 4});
    if (i % 2 == 0) parallel_for(pool, 5, [](std::int64_t, int) {});
  }
}

// Sanitizers need more address space than the limit leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST(ThreadPool, ThreadsThatCannotBeStarted) {
  const std::string text = test::error_under_limit(RLIMIT_AS, rlim_t(1) << 30, [] { ThreadPool({.threads = 4000}); });
  // How many found room for their stacks depends on the machine.
  EXPECT_TRUE(text.starts_with("cannot start thread ") &&
              text.ends_with(" of 3999: Resource temporarily unavailable\n"
                             "  try: use fewer threads, or raise the limit on them (ulimit -u)"))
      << text;
}

#endif

}  // namespace
}  // namespace monza
