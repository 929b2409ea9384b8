// Which requests run together, when, and on which thread.
//
// A batch takes requests until its run begins, and a run begins when the engine is free: nothing waits for a timer
// while the engine has nothing to do, and batches grow by themselves when it has. Runs of all models follow each other
// on one thread, which has all of the engine's threads behind it, the request that waits longest first. Models whose
// runs are shorter than handing them to another thread run on the thread of whoever calls idle().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serve/batch.h"
#include "serve/metrics.h"
#include "serve/served_model.h"

namespace monza::serve {

struct SchedulerOptions {
  int max_queue = 256;  ///< requests of a model that are in the server and not yet computed; further ones are refused
  std::chrono::microseconds max_delay{0};  ///< how long a free engine waits for a batch to fill
  /// Runs up to this long are done by the thread that reads requests: waking another one takes about as long.
  std::chrono::microseconds inline_limit{30};
};

/// A model's requests, its memory for them, and the context that they run in. Guarded by its Scheduler; who has
/// reserved a slot keeps it alive until the slot is released.
class ModelQueue : public std::enable_shared_from_this<ModelQueue> {
 public:
  ModelQueue(std::shared_ptr<const ServedModel> model, const ContextOptions& context, const SchedulerOptions& options);

  const ServedModel& model() const { return *model_; }
  ModelMetrics& metrics() { return metrics_; }
  const ModelMetrics& metrics() const { return metrics_; }

 private:
  friend class Scheduler;
  /// Slots of one batch that lie side by side.
  struct Run {
    Batch* batch = nullptr;
    std::span<Slot> slots;
  };

  Slot* reserve(const ServedModel::Fit& fit);
  void release(Slot& slot);
  /// About when a request of that priority would be begun that came now.
  Clock::time_point begins(std::int64_t rows, std::int64_t priority) const;
  /// When the oldest ready request's run should begin.
  Clock::time_point due() const;
  Run take();
  void warm_up();
  void run(Run run);
  Status run_slots(Run run);

  const std::shared_ptr<const ServedModel> model_;
  const int max_queue_;
  const std::chrono::microseconds max_delay_;
  const std::int64_t enough_rows_;  ///< for a run to begin without waiting for more
  Context context_;
  ModelMetrics metrics_;
  std::vector<TensorRef> inputs_, outputs_;  ///< of the next run; kept so that none is allocated
  std::list<Batch> batches_;                 ///< all that were made
  std::vector<Batch*> free_, open_;
  std::size_t max_batches_, kept_batches_ = 0;
  std::deque<Slot*> ready_;
  std::vector<Slot*> done_;  ///< of the last run, to be told; belongs to whoever runs
  std::int64_t ready_rows_ = 0, last_rows_ = 1;
  int reserved_ = 0;  ///< slots that are not done
  bool running_ = false;
  bool listed_ = false, retired_ = false;  ///< it is among the scheduler's; it is there for requests at hand alone
  double run_us_ = 0;                      ///< about what a run takes lately
};

/// Thread-safe. Whoever reserves slots must have released all of them before it ends.
class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);
  /// Runs what is submitted, then ends its thread.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Makes a context and runs it on zeros, so that the first request waits for nothing. Throws Error.
  std::shared_ptr<ModelQueue> add(std::shared_ptr<const ServedModel> model, const ContextOptions& context);
  /// Forgets the model when the requests that are at hand are done. Who has the queue may still reserve slots.
  void retire(ModelQueue& queue);

  /// How soon a request is to be begun.
  struct Urgency {
    Clock::time_point deadline = Clock::time_point::max();
    std::int64_t priority = 0;  ///< less is begun first
  };
  /// A place for a request, to be filled and submitted or released; null when the model's queue is full, or (`late`)
  /// when by the time that runs take lately the deadline would pass before it is begun.
  Slot* reserve(ModelQueue& queue, const ServedModel::Fit& fit, Completion& waits, const Urgency& urgency, bool& late);
  /// It is filled. Begins no run: idle() does.
  void submit(Slot& slot);
  /// Gives a slot back that is filled no further, or whose run has not begun. False when it is too late: completed()
  /// is called, or has been.
  bool cancel(Slot& slot);
  /// Gives a slot back after completed().
  void release(Slot& slot);
  /// No further request is at hand: short runs are done now, longer ones begin.
  void idle();

 private:
  void work();
  void execute(std::unique_lock<std::mutex>& lock, ModelQueue& queue);
  ModelQueue* next(Clock::time_point now, Clock::time_point& wake) const;
  void forget_retired(std::unique_lock<std::mutex>& lock);

  const SchedulerOptions options_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::list<std::shared_ptr<ModelQueue>> queues_;
  bool stop_ = false, sleeping_ = false;
  std::thread thread_;
};

}  // namespace monza::serve
