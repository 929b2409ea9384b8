#include "backend/reference/reference_device.h"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "backend/captured.h"
#include "backend/cpu/host_device.h"
#include "base/error.h"
#include "kernel/serial.h"

namespace monza::backend {
namespace {

/// Counts how often it was recorded and how often that was reached.
class ReferenceEvent final : public Event {
 public:
  Status wait() noexcept override { return wait_for(recorded()); }

  std::uint64_t begin_record() noexcept {
    const std::lock_guard lock(mutex_);
    return ++recorded_;
  }
  std::uint64_t recorded() noexcept {
    const std::lock_guard lock(mutex_);
    return recorded_;
  }
  /// Under the lock to the end: who waited may destroy the event at once.
  void reach(std::uint64_t record, Status status) noexcept {
    const std::lock_guard lock(mutex_);
    reached_ = record;
    status_ = status;
    changed_.notify_all();
  }
  Status wait_for(std::uint64_t record) noexcept {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_ >= record; });
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t recorded_ = 0, reached_ = 0;
  Status status_;
};

class ReferenceQueue final : public Queue {
 public:
  explicit ReferenceQueue(const QueueOptions& options) : parallel_(options.parallel ? options.parallel : &serial_) {
    for (Work& w : ring_) w.launch = CapturedLaunch(options.most_operands);
    try {
      thread_ = std::thread([this] { serve(); });
    } catch (const std::system_error& e) {
      fail("the thread of the reference device cannot be started: {}", e.what());
    }
  }
  ~ReferenceQueue() override {
    (void)put(Kind::stop, [](Work&) {});
    thread_.join();
  }

  Status launch(const Kernel& kernel, const KernelContext& context, std::int32_t step) noexcept override {
    if (capture_ != nullptr) {
      capture_->launches.emplace_back(context.in_count + context.out_count).set(kernel, context, step);
      return {};
    }
    return put(Kind::launch, [&](Work& w) { w.launch.set(kernel, context, step); });
  }
  Status copy(void* to, const void* from, std::int64_t bytes, Direction) noexcept override {
    return put(Kind::copy, [&](Work& w) {
      w.to = to;
      w.from = from;
      w.bytes = bytes;
    });
  }
  Status record(Event& event) noexcept override {
    auto& own = static_cast<ReferenceEvent&>(event);
    return put(Kind::record, [&](Work& w) {
      w.event = &own;
      w.record = own.begin_record();
    });
  }
  Status wait(Event& event) noexcept override {
    auto* own = dynamic_cast<ReferenceEvent*>(&event);
    if (own == nullptr) return event.wait();
    return put(Kind::wait, [&](Work& w) {
      w.event = own;
      w.record = own->recorded();
    });
  }
  Status synchronise() noexcept override {
    // Work is done in order, so the last is done last. To park here would tell the thread of the queue what the caller
    // has done until now, and hide that it had not waited for it.
    const std::atomic<bool>& last = ring_[(next_ + kDepth - 1) % kDepth].full;
    for (int turn = 0; last.load(std::memory_order_acquire); ++turn) {
      if (turn < 64) std::this_thread::yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return std::exchange(status_, Status{});
  }

  void begin_capture() override { capture_ = std::make_unique<CapturedLaunches>(); }
  std::unique_ptr<CapturedWork> end_capture() override { return std::move(capture_); }
  Status replay(CapturedWork& work) noexcept override {
    return put(Kind::replay, [&](Work& w) { w.replayed = &static_cast<CapturedLaunches&>(work); });
  }

 private:
  enum class Kind { launch, copy, record, wait, replay, stop };
  struct Work {
    Kind kind = Kind::stop;
    CapturedLaunch launch;
    void* to = nullptr;
    const void* from = nullptr;
    std::int64_t bytes = 0;
    ReferenceEvent* event = nullptr;
    std::uint64_t record = 0;
    const CapturedLaunches* replayed = nullptr;
    std::atomic<bool> full{false};  ///< put in and not done yet: the thread of the queue has it
  };
  static constexpr std::size_t kDepth = 64;  // who puts more in waits for room

  // A place in the ring is handed over and back by its own flag, and nothing else is shared: whoever relies on an order
  // that no event makes has a race that the thread sanitizer sees.
  template <typename F>
  Status put(Kind kind, F&& fill) noexcept {
    Work& w = ring_[next_];
    w.full.wait(true, std::memory_order_acquire);
    w.kind = kind;
    fill(w);
    w.full.store(true, std::memory_order_release);
    w.full.notify_all();
    next_ = (next_ + 1) % kDepth;
    return {};
  }

  void serve() noexcept {
    for (std::size_t at = 0;; at = (at + 1) % kDepth) {
      Work& w = ring_[at];
      w.full.wait(false, std::memory_order_acquire);
      const bool last = w.kind == Kind::stop;
      if (const Status s = run(w, !status_); status_ && !s) status_ = s;
      w.full.store(false, std::memory_order_release);
      w.full.notify_all();
      if (last) return;
    }
  }

  Status run(const Work& w, bool failed) noexcept {
    if (before_reference_work != nullptr) before_reference_work();
    switch (w.kind) {
      case Kind::launch: return failed ? Status{} : w.launch.run(parallel_);
      case Kind::copy:
        if (!failed && w.bytes > 0) std::memcpy(w.to, w.from, static_cast<std::size_t>(w.bytes));
        return {};
      case Kind::record: w.event->reach(w.record, status_); return {};
      case Kind::wait: return w.event->wait_for(w.record);
      case Kind::replay:
        for (const CapturedLaunch& launch : w.replayed->launches)
          if (const Status s = failed ? Status{} : launch.run(parallel_); !s) return s;
        return {};
      case Kind::stop: return {};
    }
    return {};
  }

  Serial serial_;
  Parallel* const parallel_;
  std::unique_ptr<CapturedLaunches> capture_;
  std::array<Work, kDepth> ring_;
  std::size_t next_ = 0;
  Status status_;  ///< of the thread; of the caller while all work is done
  std::thread thread_;
};

}  // namespace

std::string ReferenceDevice::identity(int threads) const { return "reference " + HostDevice().identity(threads); }

DeviceMemory ReferenceDevice::allocate(std::int64_t bytes, const RegionOptions& options) {
  constexpr std::int64_t kMostFilled = std::int64_t{256} << 20;
  const auto region = std::make_shared<Region>(bytes, options);
  if (bytes > 0 && bytes <= kMostFilled)
    std::memset(region->data(), std::to_integer<int>(kPoison), static_cast<std::size_t>(bytes));
  return {region->data(), bytes, region};
}

std::unique_ptr<Queue> ReferenceDevice::make_queue(const QueueOptions& options) {
  return std::make_unique<ReferenceQueue>(options);
}

std::unique_ptr<Event> ReferenceDevice::make_event() { return std::make_unique<ReferenceEvent>(); }

std::optional<double> ReferenceDevice::time(const Kernel& kernel, const KernelContext& context) {
  return time_on_host(kernel, context);
}

}  // namespace monza::backend
