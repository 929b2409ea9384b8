#include "backend/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "support/error_text.h"

namespace monza {
namespace {

TEST(ThreadPool, EveryTaskRunsOnceWhateverTheCounts) {
  for (int threads : {1, 2, 3, 8}) {
    Team pool({.threads = threads});
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
  Team pool({.threads = 3});
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
  Team pool({.threads = 4});
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
    Team pool({.threads = 3, .spin = std::chrono::microseconds(spin)});
    for (int run = 0; run < 300; ++run) {
      std::atomic<int> sum{0};
      parallel_for(pool, 6, [&](std::int64_t t, int) { sum += static_cast<int>(t); });
      ASSERT_EQ(sum, 15);
      if (run % 30 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST(ThreadPool, TheCallerSleepsThroughALongTaskOfAnother) {
  Team pool({.threads = 2, .spin = std::chrono::microseconds(1)});
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
  Team pool({.threads = 2});
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

TEST(Team, ManyCallersShareAPool) {
  auto pool = std::make_shared<ThreadPool>(ThreadPool::Options{.threads = 4, .spin = std::chrono::microseconds(5)});
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&, c] {
      for (int life = 0; life < 20; ++life) {  // teams come and go while others work
        Team team(pool, {.threads = 1 + c % 4});
        std::vector<std::int64_t> data(1 + 13 * static_cast<std::size_t>(c), 0);
        for (int run = 0; run < 50; ++run)
          parallel_for(team, static_cast<std::int64_t>(data.size()), [&](std::int64_t t, int worker) {
            if (worker < 0 || worker >= team.threads()) ++wrong;
            data[static_cast<std::size_t>(t)] += 1;
          });
        for (const std::int64_t v : data) wrong += v != 50;
      }
    });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Team, NeverHasMoreThreadsThanItsShare) {
  auto pool = std::make_shared<ThreadPool>(ThreadPool::Options{.threads = 4});
  Team team(pool, {.threads = 2});
  EXPECT_EQ(team.threads(), 2);
  EXPECT_EQ(Team(pool, {.threads = 9}).threads(), 4);
  std::atomic<int> inside{0}, most{0};
  std::array<std::atomic<int>, 2> in_seat{};
  for (int run = 0; run < 50; ++run)
    parallel_for(team, 16, [&](std::int64_t, int worker) {
      const int now = ++inside;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      EXPECT_EQ(++in_seat[static_cast<std::size_t>(worker)], 1);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      --in_seat[static_cast<std::size_t>(worker)];
      --inside;
    });
  EXPECT_EQ(most, 2);
}

TEST(Team, APoolHasRoomForSoMany) {
  auto pool = std::make_shared<ThreadPool>(ThreadPool::Options{});
  std::vector<std::unique_ptr<Team>> teams;
  for (int i = 0; i < ThreadPool::kMaxTeams; ++i)
    teams.push_back(std::make_unique<Team>(pool, Team::Options{.priority = i}));
  EXPECT_EQ(test::error_of([&] { Team one_more(pool, {}); }),
            "1024 contexts already share these workers\n"
            "  try: share contexts between requests, or use several pools");
  teams.erase(teams.begin() + 500);
  Team one_more(pool, {});  // in the place that is free again
}

TEST(Team, AFreeThreadHelpsTheMoreUrgentJob) {
  auto pool = std::make_shared<ThreadPool>(ThreadPool::Options{.threads = 2});
  Team low(pool, {}), high(pool, {.priority = 1});
  // The one helper works for `low` until the job of `high` opens, and leaves it between two tasks although tasks are
  // left there.
  std::atomic<bool> helper_came{false}, high_done{false};
  std::thread other([&] {
    while (!helper_came) std::this_thread::yield();
    std::atomic<int> arrived{0};
    parallel_for(high, 2, [&](std::int64_t, int) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();  // done only when the helper comes
    });
    high_done = true;
  });
  parallel_for(low, 1000, [&](std::int64_t, int worker) {
    if (worker == 1) helper_came = true;
    else
      while (!high_done) std::this_thread::yield();  // the caller is stuck, so only leaving the job ends this
    std::this_thread::sleep_for(std::chrono::microseconds(worker == 1 ? 100 : 0));
  });
  other.join();
  EXPECT_TRUE(high_done);
}

TEST(ThreadPool, ErrandsRunByPriorityThenInOrder) {
  auto pool = std::make_shared<ThreadPool>(ThreadPool::Options{});  // no helper: errands get the one thread
  struct Note {
    std::vector<int>* order;  // touched by the pool's one thread alone
    std::atomic<int>* done;
    std::atomic<bool>* gate;
    int number;
  };
  std::vector<int> order;
  std::atomic<int> done{0};
  std::atomic<bool> gate{false};
  std::array<Note, 5> notes{};
  std::array<Errand, 5> errands{};
  for (std::size_t i = 0; i < errands.size(); ++i) {
    notes[i] = {&order, &done, &gate, static_cast<int>(i)};
    errands[i] = {.run =
                      [](void* p) noexcept {
                        Note& note = *static_cast<Note*>(p);
                        note.order->push_back(note.number);
                        ++*note.done;
                        while (!*note.gate) std::this_thread::yield();
                      },
                  .context = &notes[i],
                  .priority = i == 3 ? 7 : 0};
  }
  ASSERT_TRUE(pool->post(errands[0]));
  while (done != 1) std::this_thread::yield();  // it holds the thread while the others are posted
  for (std::size_t i = 1; i < errands.size(); ++i) ASSERT_TRUE(pool->post(errands[i]));
  gate = true;
  while (done != 5) std::this_thread::yield();
  EXPECT_EQ(order, (std::vector<int>{0, 3, 1, 2, 4}));
}

TEST(ThreadPool, IdleThreadsSleep) {
  Team pool({.threads = 4});
  parallel_for(pool, 64, [](std::int64_t, int) {});
  const auto cpu_ms = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = cpu_ms();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(cpu_ms() - before, 100);  // three threads that never parked would take 600 of two CPUs
}

/// The CPUs that the caller may use and those that worker 1 may.
std::array<int, 2> usable_cpus(Team& pool) {
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
  Team pool({.threads = 2, .pin = true});
  EXPECT_EQ(usable_cpus(pool)[1], 1);
}

TEST(ThreadPool, OtherWorkersMayUseEveryCpuThatTheCallerMay) {
  Team pool({.threads = 2});
  const auto [caller, worker] = usable_cpus(pool);
  EXPECT_EQ(worker, caller);
}

TEST(ThreadPool, ComesAndGoesManyTimes) {
  for (int i = 0; i < 50; ++i) {
    Team pool({.threads = 1 + i % 4});
    if (i % 2 == 0) parallel_for(pool, 5, [](std::int64_t, int) {});
  }
}

// Sanitizers need more address space than the limit leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST(ThreadPool, ThreadsThatCannotBeStarted) {
  MONZA_NEED_ADDRESS_SPACE_LIMIT();
  const std::string text =
      test::error_under_limit(RLIMIT_AS, rlim_t(1) << 30, [] { ThreadPool(ThreadPool::Options{.threads = 4000}); });
  // How many found room for their stacks depends on the machine.
  EXPECT_TRUE(text.starts_with("cannot start thread ") &&
              text.ends_with(" of 3999: Resource temporarily unavailable\n"
                             "  try: use fewer threads, or raise the limit on them (ulimit -u)"))
      << text;
}

#endif

}  // namespace
}  // namespace monza
