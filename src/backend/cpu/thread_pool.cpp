#include "backend/cpu/thread_pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <system_error>

#include "base/error.h"
#include "base/relax.h"

namespace monza {
namespace {

using Clock = std::chrono::steady_clock;

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

/// Waits actively until `ready()`, at most for `spin`; false when that was too short.
template <typename Ready>
bool spin_until(std::chrono::microseconds spin, Ready&& ready) noexcept {
  if (ready()) return true;
  if (spin.count() <= 0) return false;
  const Clock::time_point end = Clock::now() + spin;
  do {
    for (int round = 0; round < 16; ++round) {  // between two looks at the clock, which takes as long as one of them
      cpu_relax();
      if (ready()) return true;
    }
  } while (Clock::now() < end);
  return false;
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

/// What helpers see of a team. Belongs to the pool and is never freed before it, so that a late helper may look.
struct ThreadPool::Job {
  explicit Job(int most) : seats(std::make_unique<Seat[]>(static_cast<std::size_t>(most))) {}

  // Written by the caller while nobody can hold a claim, read only by holders of one.
  Parallel::Body body = nullptr;
  void* context = nullptr;
  std::int64_t tasks = 0;

  std::atomic<int> seat_count{0};  ///< the team's threads, its caller included; 0: no team has this job
  std::atomic<int> priority{0};

  struct alignas(64) Seat {
    std::atomic<std::int64_t> unclaimed{0};  ///< last tasks of its share, which nobody has taken; below 1: none
    std::atomic<bool> taken{false};          ///< by a helper; seat 0 is the caller's
  };
  std::unique_ptr<Seat[]> seats;

  alignas(64) std::atomic<std::int64_t> unfinished{0};  ///< tasks not done; the caller waits for 0
  std::atomic<std::uint32_t> generation{0};             ///< how often the team has given out tasks
  alignas(64) std::atomic<std::uint32_t> caller_sleeps{0};

  /// The first task of a seat's share.
  std::int64_t share_begin(int seat, int count) const noexcept { return tasks * seat / count; }

  /// A seat for a helper, its own one if that is free; -1 when there is none.
  int take_seat(int helper) noexcept {
    const int count = seat_count.load(std::memory_order_acquire);
    for (int k = 0; k < count - 1; ++k) {
      const int seat = 1 + (helper + k) % (count - 1);
      std::atomic<bool>& taken = seats[static_cast<std::size_t>(seat)].taken;
      if (taken.load(std::memory_order_relaxed) || taken.exchange(true, std::memory_order_seq_cst)) continue;
      // Either whoever closes the job sees the seat taken, or it is seen here that the job is closed or another's.
      if (seat_count.load(std::memory_order_seq_cst) == count) return seat;
      leave_seat(seat);
      return -1;
    }
    return -1;
  }
  void leave_seat(int seat) noexcept {
    seats[static_cast<std::size_t>(seat)].taken.store(false, std::memory_order_release);
  }
};

ThreadPool::ThreadPool(const Options& options)
    : threads_(std::max(options.threads, 1)), pin_(options.pin), spin_(options.spin) {
  helpers_.reserve(static_cast<std::size_t>(threads_));
  // Linux may start a thread on the CPU of the one that made it, busy or not, and takes some ticks to move it: ten
  // milliseconds of the first run. So each helper goes to a CPU of its own, and is free to be moved from there.
  first_cpu_ = pin_ ? 0 : std::clamp(sched_getcpu(), 0, CPU_SETSIZE - 1);
  try {
    while (static_cast<int>(helpers_.size()) < threads_ - 1) start_helper();
  } catch (const std::system_error& e) {
    stop();
    fail_hint("use fewer threads, or raise the limit on them (ulimit -u)", "cannot start thread {} of {}: {}",
              helpers_.size() + 1, threads_ - 1, e.what());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::start_helper() {
  const int helper = static_cast<int>(helpers_.size());
  helpers_.emplace_back([this, helper, drained = std::vector<std::uint32_t>(kMaxTeams)]() mutable {
    place_on(helper + 1, first_cpu_, pin_);
    work(helper, drained);
  });
}

void ThreadPool::stop() noexcept {
  stopping_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(epoch_, INT_MAX);
  for (std::thread& t : helpers_)
    if (t.joinable()) t.join();
}

ThreadPool::Job& ThreadPool::open_job(int threads, int priority) {
  const std::lock_guard lock(mutex_);
  const int made = job_count_.load(std::memory_order_relaxed);
  int i = 0;
  while (i < made && jobs_[static_cast<std::size_t>(i)]->seat_count.load(std::memory_order_relaxed) != 0) ++i;
  if (i == kMaxTeams)
    fail_hint("share contexts between requests, or use several pools", "{} contexts already share these workers",
              kMaxTeams);
  if (i == made) {
    jobs_[static_cast<std::size_t>(i)] = std::make_unique<Job>(threads_);
    job_count_.store(made + 1, std::memory_order_release);
  }
  Job& job = *jobs_[static_cast<std::size_t>(i)];
  job.priority.store(priority, std::memory_order_relaxed);
  if (priority != 0) mixed_priorities_.store(true, std::memory_order_relaxed);
  job.seat_count.store(threads > 0 ? std::min(threads, threads_) : threads_, std::memory_order_release);
  return job;
}

void ThreadPool::close_job(Job& job) noexcept {
  const std::lock_guard lock(mutex_);
  job.seat_count.store(0, std::memory_order_seq_cst);
  for (int seat = 1; seat < threads_; ++seat)
    while (job.seats[static_cast<std::size_t>(seat)].taken.load(std::memory_order_seq_cst)) std::this_thread::yield();
}

void ThreadPool::run(Job& job, std::int64_t tasks, Parallel::Body body, void* context) noexcept {
  if (tasks <= 0) return;
  const int count = job.seat_count.load(std::memory_order_relaxed);
  if (tasks == 1 || count == 1) {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
    return;
  }
  job.body = body;
  job.context = context;
  job.tasks = tasks;
  job.unfinished.store(tasks, std::memory_order_relaxed);
  // A helper late from an earlier job may claim from here on: everything it needs is written above. One that misses a
  // share which is not filled yet comes back for the new generation.
  for (int i = 0; i < count; ++i)
    job.seats[static_cast<std::size_t>(i)].unclaimed.store(job.share_begin(i + 1, count) - job.share_begin(i, count),
                                                           std::memory_order_release);
  job.generation.fetch_add(1, std::memory_order_release);
  announce(std::min<std::int64_t>(tasks, count) - 1);

  take_tasks(job, 0, nullptr);

  // Others still hold claims. They are running, so spinning is right unless the machine is oversubscribed.
  while (!spin_until(spin_, [&] { return job.unfinished.load(std::memory_order_acquire) == 0; })) {
    job.caller_sleeps.store(1, std::memory_order_seq_cst);
    if (job.unfinished.load(std::memory_order_seq_cst) != 0) futex_wait(job.caller_sleeps, 1);
    job.caller_sleeps.store(0, std::memory_order_relaxed);
  }
}

void ThreadPool::announce(std::int64_t wanted) noexcept {
  epoch_.fetch_add(1, std::memory_order_seq_cst);
  if (const int sleepers = sleepers_.load(std::memory_order_seq_cst); sleepers > 0)
    futex_wake(epoch_, static_cast<int>(std::min<std::int64_t>(wanted, sleepers)));
}

/// Works on the job until no task of it is unclaimed. False: a helper, which gives what it has `drained`, left before
/// that for something more urgent.
bool ThreadPool::take_tasks(Job& job, int seat, const std::vector<std::uint32_t>* drained) noexcept {
  std::int64_t finished = 0;
  const int count = job.seat_count.load(std::memory_order_relaxed);
  const bool may_leave = drained != nullptr && mixed_priorities_.load(std::memory_order_relaxed);
  bool leaves = false;
  for (int i = 0; i < count && !leaves; ++i) {
    const int owner = seat + i < count ? seat + i : seat + i - count;
    std::atomic<std::int64_t>& unclaimed = job.seats[static_cast<std::size_t>(owner)].unclaimed;
    // Cheap look first, so that idle helpers do not fight over the line; also keeps the counter from running away.
    while (!leaves && unclaimed.load(std::memory_order_relaxed) > 0) {
      const std::int64_t left = unclaimed.fetch_sub(1, std::memory_order_acquire);
      if (left <= 0) break;
      // This claim keeps the job alive until it is counted as finished below.
      job.body(job.context, job.share_begin(owner + 1, count) - left, seat);
      ++finished;
      leaves = may_leave && more_urgent_than(job.priority.load(std::memory_order_relaxed), *drained);
    }
  }
  if (finished != 0 && job.unfinished.fetch_sub(finished, std::memory_order_seq_cst) == finished && seat != 0 &&
      job.caller_sleeps.load(std::memory_order_seq_cst) != 0) {
    job.caller_sleeps.store(0, std::memory_order_seq_cst);
    futex_wake(job.caller_sleeps, 1);
  }
  return !leaves;
}

bool ThreadPool::more_urgent_than(int priority, const std::vector<std::uint32_t>& drained) const noexcept {
  const int count = job_count_.load(std::memory_order_acquire);
  for (int i = 0; i < count; ++i) {
    const Job& job = *jobs_[static_cast<std::size_t>(i)];
    if (job.priority.load(std::memory_order_relaxed) > priority && job.seat_count.load(std::memory_order_relaxed) > 1 &&
        job.generation.load(std::memory_order_relaxed) != drained[static_cast<std::size_t>(i)])
      return true;
  }
  return false;
}

/// Joins the most urgent job that it has not drained; false when there is none.
bool ThreadPool::help_somebody(int helper, std::vector<std::uint32_t>& drained) noexcept {
  Job* best = nullptr;
  int best_index = 0, best_priority = 0;
  std::uint32_t generation = 0;
  const int count = job_count_.load(std::memory_order_acquire);
  for (int k = 0; k < count; ++k) {
    const int i = (helper + k) % count;
    Job& job = *jobs_[static_cast<std::size_t>(i)];
    const std::uint32_t now = job.generation.load(std::memory_order_acquire);
    if (now == drained[static_cast<std::size_t>(i)] || job.seat_count.load(std::memory_order_relaxed) < 2) continue;
    const int priority = job.priority.load(std::memory_order_relaxed);
    if (best != nullptr && priority <= best_priority) continue;
    best = &job;
    best_index = i;
    best_priority = priority;
    generation = now;
  }
  if (best == nullptr) return false;
  const int seat = best->take_seat(helper);
  // Without a seat there is nothing to do for this one either: those who have them will drain it.
  const bool done = seat < 0 || take_tasks(*best, seat, &drained);
  if (seat >= 0) best->leave_seat(seat);
  if (done) drained[static_cast<std::size_t>(best_index)] = generation;
  return true;
}

std::uint32_t ThreadPool::await_news(std::uint32_t seen) noexcept {
  std::uint32_t now = seen;
  if (spin_until(spin_, [&] { return (now = epoch_.load(std::memory_order_acquire)) != seen; })) return now;
  // Registered as a sleeper before the last look: either announce() sees us, or we see its new epoch.
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while ((now = epoch_.load(std::memory_order_seq_cst)) == seen) futex_wait(epoch_, seen);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
  return now;
}

/// `drained` holds by job its last generation that had nothing more for this helper.
void ThreadPool::work(int helper, std::vector<std::uint32_t>& drained) noexcept {
  std::uint32_t seen = epoch_.load(std::memory_order_acquire);
  while (!stopping_.load(std::memory_order_relaxed)) {
    if (Errand* errand = next_errand()) errand->run(errand->context);
    else if (!help_somebody(helper, drained)) seen = await_news(seen);
  }
}

bool ThreadPool::post(Errand& errand) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (static_cast<int>(helpers_.size()) < threads_) try {
        start_helper();
      } catch (const std::exception&) {
        return false;
      }
    Errand** place = &first_errand_;
    while (*place != nullptr && (*place)->priority >= errand.priority) place = &(*place)->next;
    errand.next = *place;
    *place = &errand;
    errand_count_.fetch_add(1, std::memory_order_seq_cst);
  }
  announce(1);
  return true;
}

Errand* ThreadPool::next_errand() noexcept {
  if (errand_count_.load(std::memory_order_seq_cst) == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  Errand* const first = first_errand_;
  if (first == nullptr) return nullptr;
  first_errand_ = first->next;
  errand_count_.fetch_sub(1, std::memory_order_relaxed);
  return first;
}

Team::Team(std::shared_ptr<ThreadPool> pool, const Options& options)
    : pool_(std::move(pool)), job_(pool_->open_job(options.threads, options.priority)) {}

Team::Team(const ThreadPool::Options& options) : Team(std::make_shared<ThreadPool>(options), Options{}) {}

Team::~Team() { pool_->close_job(job_); }

int Team::threads() const noexcept { return job_.seat_count.load(std::memory_order_relaxed); }

void Team::run(std::int64_t tasks, Body body, void* context) noexcept { pool_->run(job_, tasks, body, context); }

}  // namespace monza
