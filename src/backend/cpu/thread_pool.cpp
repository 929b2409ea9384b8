#include "backend/cpu/thread_pool.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <system_error>

#include "base/error.h"

namespace monza {
namespace {

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

/// Moves the calling thread to the `index`-th CPU (modulo their number) of those it may use, counted from `origin` when
/// that is one of them, and binds it there if `pin`.
void place_on(int index, int origin, bool pin) noexcept {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0) return;
  for (int cpu = 0; cpu < origin; ++cpu) index += CPU_ISSET(cpu, &allowed) ? 1 : 0;
  int skip = index % CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    if (!pin) sched_setaffinity(0, sizeof allowed, &allowed);
    return;
  }
}

}  // namespace

ThreadPool::ThreadPool(const Options& options)
    : shares_(static_cast<std::size_t>(options.threads > 1 ? options.threads : 1)), spin_rounds_(options.spin_rounds) {
  const int helpers = options.threads > 1 ? options.threads - 1 : 0;
  workers_.reserve(static_cast<std::size_t>(helpers));
  // Linux may start a thread on the CPU of the one that made it, busy or not, and takes some ticks to move it: ten
  // milliseconds of the first run. So each worker goes to a CPU of its own, and is free to be moved from there.
  const int here = options.pin ? 0 : std::clamp(sched_getcpu(), 0, CPU_SETSIZE - 1);
  try {
    for (int i = 1; i <= helpers; ++i)
      workers_.emplace_back([this, i, here, pin = options.pin] {
        place_on(i, here, pin);
        work(i);
      });
  } catch (const std::system_error& e) {
    stop();
    fail_hint("use fewer threads, or raise the limit on them (ulimit -u)", "cannot start thread {} of {}: {}",
              workers_.size() + 1, helpers, e.what());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() noexcept {
  stopping_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(epoch_, INT_MAX);
  for (std::thread& t : workers_)
    if (t.joinable()) t.join();
}

void ThreadPool::run(std::int64_t tasks, Body body, void* context) noexcept {
  if (tasks <= 0) return;
  if (tasks == 1 || workers_.empty()) {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
    return;
  }
  body_ = body;
  context_ = context;
  tasks_ = tasks;
  unfinished_.store(tasks, std::memory_order_relaxed);
  // A worker late from an earlier job may claim from here on: everything it needs is written above. One that misses a
  // share which is not filled yet comes back for the new epoch.
  for (int i = 0; i < threads(); ++i)
    shares_[static_cast<std::size_t>(i)].unclaimed.store(share_begin(i + 1) - share_begin(i),
                                                         std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  if (const int sleepers = sleepers_.load(std::memory_order_seq_cst); sleepers > 0)
    futex_wake(epoch_, tasks - 1 < sleepers ? static_cast<int>(tasks - 1) : sleepers);

  take_tasks(0);

  // Others still hold claims. They are running, so spinning is right unless the machine is oversubscribed.
  for (int round = 0; unfinished_.load(std::memory_order_acquire) != 0; ++round) {
    if (round < spin_rounds_) {
      _mm_pause();
      continue;
    }
    caller_sleeps_.store(1, std::memory_order_seq_cst);
    if (unfinished_.load(std::memory_order_seq_cst) != 0) futex_wait(caller_sleeps_, 1);
    caller_sleeps_.store(0, std::memory_order_relaxed);
  }
}

void ThreadPool::take_tasks(int worker) noexcept {
  std::int64_t finished = 0;
  const int count = threads();
  for (int i = 0; i < count; ++i) {
    const int owner = worker + i < count ? worker + i : worker + i - count;
    std::atomic<std::int64_t>& unclaimed = shares_[static_cast<std::size_t>(owner)].unclaimed;
    // Cheap look first, so that idle workers do not fight over the line; also keeps the counter from running away.
    while (unclaimed.load(std::memory_order_relaxed) > 0) {
      const std::int64_t left = unclaimed.fetch_sub(1, std::memory_order_acquire);
      if (left <= 0) break;
      // This claim keeps the job alive until it is counted as finished below.
      body_(context_, share_begin(owner + 1) - left, worker);
      ++finished;
    }
  }
  if (finished == 0) return;
  if (unfinished_.fetch_sub(finished, std::memory_order_seq_cst) == finished && worker != 0 &&
      caller_sleeps_.load(std::memory_order_seq_cst) != 0) {
    caller_sleeps_.store(0, std::memory_order_seq_cst);
    futex_wake(caller_sleeps_, 1);
  }
}

void ThreadPool::work(int worker) noexcept {
  std::uint32_t seen = 0;
  for (;;) {
    std::uint32_t now = epoch_.load(std::memory_order_acquire);
    for (int round = 0; now == seen && round < spin_rounds_; ++round) {
      _mm_pause();
      now = epoch_.load(std::memory_order_acquire);
    }
    if (now == seen) {
      // Registered as a sleeper before the last look: either run() sees us, or we see its new epoch.
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      while ((now = epoch_.load(std::memory_order_seq_cst)) == seen) futex_wait(epoch_, seen);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (stopping_.load(std::memory_order_relaxed)) return;
    seen = now;
    take_tasks(worker);
  }
}

}  // namespace monza
