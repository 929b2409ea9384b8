// What a Context is inside.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "engine/run/engine_impl.h"
#include "kernel/state.h"
#include "memory/sequence_store.h"
#include "monza/engine.h"
#include "monza/sequence.h"
#include "runtime/executor.h"

namespace monza {

struct Sequence::Impl {
  std::unique_ptr<SequenceTable> table;
  std::shared_ptr<const std::vector<StateFormat>> formats;  ///< by state
  bool in_batch = false;                                    ///< while a batch is looked at for one that comes twice
  /// The program whose states these are: a sequence of one engine must not reach another's kernels.
  std::shared_ptr<const runtime::Program> program;
};

inline void (*before_completion)() = nullptr;  ///< of tests: a delay

struct Ticket::State {
  using Callback = void (*)(void* user, Status status);
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t submitted = 0, completed = 0;  ///< numbers of the last runs
  Status status;                               ///< of run `completed`
  std::atomic<bool> busy{false};               ///< from a submit until its run is completed

  std::uint64_t begin() noexcept {
    const std::lock_guard lock(mutex);
    return ++submitted;
  }
  /// In one step for whoever waits and whoever submits next: the next run cannot begin before this one has its status.
  void complete(Status result) noexcept {
    if (before_completion != nullptr) before_completion();
    {
      const std::lock_guard lock(mutex);
      status = result;
      completed = submitted;
      busy.store(false, std::memory_order_release);
    }
    changed.notify_all();
  }
};

struct Context::Impl {
  Impl(std::shared_ptr<const Engine::Impl> engine, const ContextOptions& options);
  ~Impl();

  /// What the caller bound, for engines with several profiles: which of them it fits is known when the run starts.
  struct Input {
    DType dtype = DType::invalid;
    Shape shape;
    void* data = nullptr;
    std::int64_t bytes = 0;
    Device device = Device::cpu;
    bool bound = false;
  };
  struct Output {
    DType dtype = DType::invalid;
    void* data = nullptr;
    std::int64_t bytes = 0;
    Device device = Device::cpu;
  };

  Status choose_profile() noexcept;
  Status run_bound() noexcept;  ///< with the bound sequences' state, committed when the run succeeds
  std::uint64_t begin_submit(Ticket::State::Callback call, void* with) noexcept;
  void serve_submit() noexcept;
  ThreadPool& workers() const noexcept { return *executor->workers(); }

  std::shared_ptr<const Engine::Impl> engine;
  std::vector<std::unique_ptr<runtime::Executor>> executors;  ///< one for each profile, over the same memory
  runtime::Executor* executor;                                ///< of the last run's profile
  std::size_t profile = 0;
  bool no_profile = false;  ///< the last run's shapes fit none
  /// With several profiles: the input or output that the last call refused.
  const TensorInfo* at_fault = nullptr;
  std::vector<Input> inputs;  ///< empty with one profile: then bindings go to its executor at once
  std::vector<Output> outputs;

  Status bind_batch(std::span<const SequenceRun> batch) noexcept;
  Status add_to_batch(const SequenceRun& run, std::int64_t* all) noexcept;
  void bind_states() noexcept;
  Status commit_states() noexcept;

  // The bound batch: sequences, where their new positions begin, and what the kernels see of each state's rows. Room
  // for as many as the context may have.
  std::vector<Sequence*> sequences;
  std::vector<std::int64_t> starts;
  bool one_sequence = false;  ///< bound alone: all of a run's new positions are its own
  std::vector<StateView> states;
  std::vector<StateRow> rows;  ///< state after state

  // One submitted run at a time, as an errand of the pool.
  Ticket::State ticket;
  Ticket::State::Callback callback = nullptr;
  void* user = nullptr;
  std::mutex mutex;
  std::condition_variable served;
  bool pending = false;  ///< submitted while the callback of the run before had not returned
  bool serving = false;  ///< the errand is in the pool's queue or being run
  Errand errand;
};

}  // namespace monza
