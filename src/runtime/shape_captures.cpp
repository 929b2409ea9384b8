#include "runtime/shape_captures.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace monza::runtime {

ShapeCaptures::ShapeCaptures(std::shared_ptr<ThreadPool> pool, std::shared_ptr<CaptureQueue> queue,
                             const Options& options)
    : pool_(std::move(pool)), queue_(std::move(queue)), entries_(options.shapes) {
  for (Entry& e : entries_) e.shape.reserve(options.registers);
  shape_.reserve(options.registers);
  launches_.reserve(options.launches);
  for (std::size_t i = 0; i < options.launches; ++i) launches_.emplace_back(options.most_operands);
  errand_ = {.run = [](void* self) noexcept { static_cast<ShapeCaptures*>(self)->capture(); },
             .context = this,
             .priority = -1};  // after whatever somebody waits for
}

ShapeCaptures::~ShapeCaptures() {
  state_.wait(State::capturing, std::memory_order_acquire);
  const std::lock_guard lock(queue_->mutex);  // capture() has let go of this, too
}

ShapeCaptures::Entry* ShapeCaptures::entry_of(std::span<const std::int64_t> shape) noexcept {
  for (Entry& e : entries_)
    if (e.used != 0 && std::equal(shape.begin(), shape.end(), e.shape.begin(), e.shape.end())) return &e;
  return nullptr;
}

backend::CapturedWork* ShapeCaptures::find(std::span<const std::int64_t> shape) noexcept {
  if (state_.load(std::memory_order_acquire) == State::done) keep();
  Entry* const entry = entry_of(shape);
  if (entry == nullptr) return nullptr;
  entry->used = ++clock_;
  return entry->work.get();
}

/// What was captured becomes the newest entry.
void ShapeCaptures::keep() noexcept {
  Entry& entry = *std::min_element(entries_.begin(), entries_.end(),
                                   [](const Entry& a, const Entry& b) { return a.used < b.used; });
  entry.shape.swap(shape_);
  entry.work = std::move(work_);
  entry.used = ++clock_;
  state_.store(State::idle, std::memory_order_relaxed);
}

bool ShapeCaptures::begin(std::span<const std::int64_t> shape) noexcept {
  if (entries_.empty() || state_.load(std::memory_order_acquire) != State::idle || entry_of(shape) != nullptr)
    return false;
  shape_.assign(shape.begin(), shape.end());
  noted_ = 0;
  state_.store(State::noting, std::memory_order_relaxed);
  return true;
}

void ShapeCaptures::note(const Kernel& kernel, const KernelContext& context, std::int32_t step) noexcept {
  if (noted_ < launches_.size()) launches_[noted_++].set(kernel, context, step);
}

void ShapeCaptures::end(bool complete) noexcept {
  if (complete) {
    state_.store(State::capturing, std::memory_order_release);
    if (pool_->post(errand_)) return;
  }
  state_.store(State::idle, std::memory_order_relaxed);
}

void ShapeCaptures::capture() noexcept {
  const std::lock_guard lock(queue_->mutex);
  try {
    queue_->queue->begin_capture();
    for (std::size_t i = 0; i < noted_; ++i) (void)launches_[i].put_into(*queue_->queue);
    work_ = queue_->queue->end_capture();
  } catch (const std::exception&) {
    work_ = nullptr;  // it goes on by plain launches
  }
  state_.store(State::done, std::memory_order_release);
  state_.notify_all();
}

}  // namespace monza::runtime
