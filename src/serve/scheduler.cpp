#include "serve/scheduler.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"
#include "serve/bytes_tensor.h"
#include "tensor/storage.h"

namespace monza::serve {
namespace {

/// Of the time that a run takes: how long a free engine waits for as many rows as its last run had. Clients that send
/// their next request when they have an answer would else be split into those who come first and the rest, for good.
constexpr double kGrace = 1.0 / 32;
/// Batches that are kept for the next requests: so many, or so many bytes of them. The memory of further ones is given
/// back: asking the kernel for it again costs a small model more than its run.
constexpr std::size_t kKeptBatches = 8;
constexpr std::int64_t kKeptBytes = 64 << 20;
constexpr std::chrono::milliseconds kMostWarmUp{300};

/// Strings of an output lie in the context until its next run, which does not wait for them to be sent.
void copy_strings(Slot::Output& output) {
  const std::span<const StringRef> strings(reinterpret_cast<const StringRef*>(output.data),
                                           output.bytes / sizeof(StringRef));
  output.text.clear();
  for (const StringRef& string : strings) append_bytes_element(output.text, string.view());
  output.data = reinterpret_cast<const std::byte*>(output.text.data());
  output.bytes = output.text.size();
}

}  // namespace

ModelQueue::ModelQueue(std::shared_ptr<const ServedModel> model, const ContextOptions& context,
                       const SchedulerOptions& options)
    : model_(std::move(model)),
      max_queue_(model_->policy().max_queue > 0 ? model_->policy().max_queue : options.max_queue),
      max_delay_(model_->policy().delay.value_or(options.max_delay)),
      enough_rows_(model_->policy().preferred_rows > 0 ? std::min(model_->policy().preferred_rows, model_->max_rows())
                                                       : model_->max_rows()),
      context_(model_->engine().create_context(context)),
      metrics_(model_->max_rows()),
      max_batches_(2 + static_cast<std::size_t>((max_queue_ + model_->max_rows() - 1) / model_->max_rows())) {
  const auto refs = [](const std::vector<Port>& ports) {
    std::vector<TensorRef> list;
    for (const Port& port : ports) list.push_back({port.dtype, port.max, nullptr, 0});
    return list;
  };
  std::int64_t bytes = 1;
  for (const auto* ports : {&model_->inputs(), &model_->outputs()})
    for (const Port& port : *ports) bytes += port.most_row_bytes * model_->max_rows();
  kept_batches_ = std::max(kKeptBatches, static_cast<std::size_t>(kKeptBytes / bytes));
  inputs_ = refs(model_->inputs());
  outputs_ = refs(model_->outputs());
  warm_up();
}

/// A whole batch, then single rows: pages are touched and shapes captured, and the time of a run is known.
void ModelQueue::warm_up() {
  const Clock::time_point start = Clock::now();
  for (const std::int64_t rows : {model_->max_rows(), std::int64_t{1}, std::int64_t{1}, std::int64_t{1}}) {
    ServedModel::Fit fit;
    fit.rows = rows;
    for (const TensorInfo& info : model_->engine().inputs()) {
      ServedModel::Fit::Input input{0, {}, 0};
      for (const std::int64_t extent : info.opt) input.row.dim[input.row.rank++] = extent;
      if (model_->batches()) input.row[0] = 1;
      input.row_bytes = storage_bytes(info.dtype, input.row);
      fit.inputs.push_back(input);
    }
    Slot& slot = *reserve(fit);
    const Status status = run_slots({slot.batch, slot.batch->slots()});
    run_us_ = std::chrono::duration<double, std::micro>(slot.ended_at - slot.begun_at).count();
    --reserved_;
    release(slot);
    if (!status)  // zeros need not be values that the model takes
      log(LogLevel::info, "serve: '{}' cannot be warmed up: {}", model_->name(), context_.describe(status));
    if (rows == 1 && Clock::now() - start > kMostWarmUp) break;
  }
}

Slot* ModelQueue::reserve(const ServedModel::Fit& fit) {
  Batch* batch = nullptr;
  for (Batch* open : open_)
    if (open->takes(fit)) batch = open;
  if (batch == nullptr) {
    if (free_.empty()) {
      if (batches_.size() >= max_batches_) return nullptr;
      free_.push_back(&batches_.emplace_back(*model_));
    }
    batch = free_.back();
    free_.pop_back();
    batch->open(*this, fit);
    open_.push_back(batch);
  }
  ++reserved_;
  return &batch->add(fit.rows);
}

void ModelQueue::release(Slot& slot) {
  Batch* batch = slot.batch;
  for (Slot::Output& output : slot.outputs) std::string().swap(output.text);
  if (!batch->remove()) return;
  std::erase(open_, batch);
  if (free_.size() < kept_batches_) free_.push_back(batch);
  else batches_.remove_if([&](const Batch& b) { return &b == batch; });
}

Clock::time_point ModelQueue::begins(std::int64_t rows, std::int64_t priority) const {
  std::int64_t ahead = rows;
  for (const Slot* slot : ready_)
    if (slot->priority <= priority) ahead += slot->rows;
  // A run takes about as long as the last ones; of the one at hand half is left.
  const double runs = static_cast<double>((ahead - 1) / model_->max_rows()) + (running_ ? 0.5 : 0);
  return Clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(runs * run_us_ * 1e3));
}

Clock::time_point ModelQueue::due() const {
  if (ready_rows_ >= enough_rows_) return ready_.front()->ready_at;
  Clock::duration wait = max_delay_;
  if (ready_rows_ < last_rows_)
    wait = std::max<Clock::duration>(wait, std::chrono::nanoseconds(static_cast<std::int64_t>(run_us_ * 1e3 * kGrace)));
  return ready_.front()->ready_at + wait;
}

/// The oldest ready request and its ready neighbours. What is still being filled stays behind and runs later.
ModelQueue::Run ModelQueue::take() {
  Batch* batch = ready_.front()->batch;
  const std::span<Slot> all = batch->slots();
  std::size_t begin = static_cast<std::size_t>(ready_.front() - all.data()), end = begin + 1;
  while (begin > 0 && all[begin - 1].state == Slot::State::ready) --begin;
  while (end < all.size() && all[end].state == Slot::State::ready) ++end;
  const std::span<Slot> slots = all.subspan(begin, end - begin);
  for (Slot& slot : slots) {
    slot.state = Slot::State::running;
    ready_rows_ -= slot.rows;
  }
  std::erase_if(ready_, [](const Slot* slot) { return slot->state == Slot::State::running; });
  batch->close();
  std::erase(open_, batch);
  return {batch, slots};
}

Status ModelQueue::run_slots(Run run) {
  const std::int64_t first = run.slots.front().row;
  const std::int64_t rows = run.slots.back().row + run.slots.back().rows - first;
  const bool batches = model_->batches();
  const std::int64_t places = batches ? rows : 1;
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    TensorRef& ref = inputs_[k];
    const ServedModel::Fit::Input& shape = run.batch->shape()[k];
    ref.data = run.batch->input(k, first);
    ref.bytes = static_cast<std::size_t>(shape.row_bytes * places);
    std::copy_n(shape.row.dim, ref.shape.size(), ref.shape.begin());
    if (batches) ref.shape[0] = rows;
    if (const Status status = context_.bind_input(k, ref); !status) return status;
  }
  for (std::size_t k = 0; k < outputs_.size(); ++k) {
    TensorRef& ref = outputs_[k];
    ref.data = run.batch->output(k, first);
    ref.bytes = static_cast<std::size_t>(std::max<std::int64_t>(1, model_->outputs()[k].most_row_bytes * places));
    if (const Status status = context_.bind_output(model_->outputs()[k].name, ref); !status) return status;
  }
  const Clock::time_point begun = Clock::now();
  const Status status = context_.run();
  const Clock::time_point ended = Clock::now();
  if (status)
    for (Slot& slot : run.slots) slot.outputs.resize(outputs_.size());
  for (std::size_t k = 0; status && k < outputs_.size(); ++k) {
    const TensorRef found = context_.output(k);
    Shape shape;
    for (const std::int64_t extent : found.shape) shape.dim[shape.rank++] = extent;
    for (Slot& slot : run.slots) {
      Slot::Output& output = slot.outputs[k];
      output.shape = shape;
      if (batches) output.shape[0] = 1;
      const std::int64_t row_bytes = storage_bytes(found.dtype, output.shape);
      if (batches) output.shape[0] = slot.rows;
      output.bytes = static_cast<std::size_t>(row_bytes * (batches ? slot.rows : 1));
      output.data = static_cast<const std::byte*>(found.data) + (slot.row - first) * row_bytes;
      if (found.dtype == DType::string) copy_strings(output);
    }
  }
  for (Slot& slot : run.slots) {
    slot.status = status;
    slot.begun_at = begun;
    slot.ended_at = ended;
    slot.batch_rows = rows;
  }
  return status;
}

/// What one request holds may stop the run of all: then each has a run of its own.
void ModelQueue::run(Run run) {
  const Status status = run_slots(run);
  if (!status && run.slots.size() > 1)
    for (Slot& slot : run.slots) {
      const Status alone = run_slots({run.batch, {&slot, 1}});
      if (!alone) log(LogLevel::info, "serve: '{}': {}", model_->name(), context_.describe(alone));
    }
  else if (!status) log(LogLevel::info, "serve: '{}': {}", model_->name(), context_.describe(status));
}

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options), thread_([this] { work(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  news_.notify_all();
  thread_.join();
}

std::shared_ptr<ModelQueue> Scheduler::add(std::shared_ptr<const ServedModel> model, const ContextOptions& context) {
  auto queue = std::make_shared<ModelQueue>(std::move(model), context, options_);
  const std::lock_guard lock(mutex_);
  queue->listed_ = true;
  queues_.push_back(queue);
  return queue;
}

void Scheduler::retire(ModelQueue& queue) {
  std::unique_lock lock(mutex_);
  queue.retired_ = true;
  forget_retired(lock);
}

/// Those with nothing at hand. Unlocked while their memory is given back.
void Scheduler::forget_retired(std::unique_lock<std::mutex>& lock) {
  std::list<std::shared_ptr<ModelQueue>> forgotten;
  for (auto it = queues_.begin(); it != queues_.end();) {
    const auto here = it++;
    ModelQueue& queue = **here;
    if (!queue.retired_ || queue.running_ || queue.reserved_ > 0) continue;
    queue.listed_ = false;
    forgotten.splice(forgotten.end(), queues_, here);
  }
  if (forgotten.empty()) return;
  lock.unlock();
  forgotten.clear();
  lock.lock();
}

Slot* Scheduler::reserve(ModelQueue& queue, const ServedModel::Fit& fit, Completion& waits, const Urgency& urgency,
                         bool& late) {
  const std::lock_guard lock(mutex_);
  late = urgency.deadline < queue.begins(fit.rows, urgency.priority);
  if (late) return nullptr;
  if (queue.reserved_ >= queue.max_queue_) return nullptr;
  Slot* slot = queue.reserve(fit);
  if (slot == nullptr) return nullptr;
  if (!queue.listed_) {  // it was looked up before its model was replaced
    queue.listed_ = true;
    queues_.push_back(queue.shared_from_this());
  }
  slot->waits = &waits;
  slot->deadline = urgency.deadline;
  slot->priority = urgency.priority;
  queue.metrics_.waiting.store(queue.reserved_, std::memory_order_relaxed);
  return slot;
}

void Scheduler::submit(Slot& slot) {
  const std::lock_guard lock(mutex_);
  ModelQueue& queue = slot.batch->queue();
  slot.state = Slot::State::ready;
  slot.ready_at = Clock::now();
  // Behind those of its priority: mostly at the end.
  auto place = queue.ready_.end();
  while (place != queue.ready_.begin() && (*std::prev(place))->priority > slot.priority) --place;
  queue.ready_.insert(place, &slot);
  queue.ready_rows_ += slot.rows;
}

bool Scheduler::cancel(Slot& slot) {
  const std::lock_guard lock(mutex_);
  ModelQueue& queue = slot.batch->queue();
  if (slot.state == Slot::State::ready) {
    std::erase(queue.ready_, &slot);
    queue.ready_rows_ -= slot.rows;
  } else if (slot.state != Slot::State::filling) {
    return false;
  }
  slot.state = Slot::State::done;
  queue.metrics_.waiting.store(--queue.reserved_, std::memory_order_relaxed);
  queue.release(slot);
  return true;
}

void Scheduler::release(Slot& slot) {
  const std::lock_guard lock(mutex_);
  slot.batch->queue().release(slot);
}

/// The queue whose oldest ready request is due and waits longest, or null: then `wake` is when to look again.
ModelQueue* Scheduler::next(Clock::time_point now, Clock::time_point& wake) const {
  ModelQueue* found = nullptr;
  for (const auto& listed : queues_) {
    const ModelQueue& queue = *listed;
    if (queue.running_ || queue.ready_.empty()) continue;
    const Clock::time_point due = queue.due();
    if (due > now && !stop_) {
      wake = std::min(wake, due);
    } else if (found == nullptr || queue.ready_.front()->ready_at < found->ready_.front()->ready_at) {
      found = const_cast<ModelQueue*>(&queue);
    }
  }
  return found;
}

/// One run of the queue's oldest requests, unlocked meanwhile.
void Scheduler::execute(std::unique_lock<std::mutex>& lock, ModelQueue& queue) {
  const std::shared_ptr<ModelQueue> kept = queue.shared_from_this();  // it may be retired meanwhile
  const ModelQueue::Run all = queue.take();
  queue.running_ = true;
  lock.unlock();
  // What is late is not computed, unless it lies between others.
  ModelQueue::Run run = all;
  const Clock::time_point now = Clock::now();
  for (; !run.slots.empty() && run.slots.front().deadline < now; run.slots = run.slots.subspan(1))
    run.slots.front().timed_out = true;
  for (; !run.slots.empty() && run.slots.back().deadline < now; run.slots = run.slots.first(run.slots.size() - 1))
    run.slots.back().timed_out = true;
  if (!run.slots.empty()) queue.run(run);
  queue.done_.clear();
  for (Slot& slot : all.slots) queue.done_.push_back(&slot);

  lock.lock();
  if (!run.slots.empty()) {
    const Slot& last = run.slots.back();
    const Clock::duration time = last.ended_at - last.begun_at;
    queue.run_us_ += (std::chrono::duration<double, std::micro>(time).count() - queue.run_us_) / 4;
    queue.last_rows_ = last.batch_rows;
    ModelMetrics::Runs& runs = queue.metrics_.runs_of[static_cast<std::size_t>(last.batch_rows - 1)];
    runs.count.fetch_add(1, std::memory_order_relaxed);
    runs.compute_ns.fetch_add(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(),
                              std::memory_order_relaxed);
  }
  queue.reserved_ -= static_cast<int>(queue.done_.size());
  queue.metrics_.waiting.store(queue.reserved_, std::memory_order_relaxed);
  for (Slot* slot : queue.done_) slot->state = Slot::State::done;
  lock.unlock();
  // From each call on, the slot may be gone.
  for (Slot* slot : queue.done_) slot->waits->completed(*slot);
  lock.lock();
  queue.running_ = false;
}

void Scheduler::idle() {
  bool left = false;
  {
    std::unique_lock lock(mutex_);
    for (auto it = queues_.begin(); it != queues_.end(); ++it) {  // what runs stays in the list
      ModelQueue& queue = **it;
      const auto is_short = [&] {
        return queue.run_us_ * 1e3 <= static_cast<double>(std::chrono::nanoseconds(options_.inline_limit).count());
      };
      while (!queue.running_ && !queue.ready_.empty() && is_short() &&
             (queue.max_delay_.count() == 0 || queue.due() <= Clock::now()))
        execute(lock, queue);
      left = left || (!queue.running_ && !queue.ready_.empty());
    }
    left = left && sleeping_;
    forget_retired(lock);
  }
  if (left) news_.notify_one();
}

void Scheduler::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    Clock::time_point wake = Clock::time_point::max();
    if (ModelQueue* queue = next(Clock::now(), wake)) {
      execute(lock, *queue);
      forget_retired(lock);
      continue;
    }
    if (stop_) return;
    sleeping_ = true;
    if (wake == Clock::time_point::max()) news_.wait(lock);
    else news_.wait_until(lock, wake);
    sleeping_ = false;
  }
}

}  // namespace monza::serve
