#include "backend/cpu/host_device.h"

#include <chrono>
#include <cstring>

#include "backend/captured.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/hash.h"

namespace monza::backend {
namespace {

/// What a queue of the host records has been done by then.
class HostEvent final : public Event {
 public:
  Status wait() noexcept override { return {}; }
};

class HostQueue final : public Queue {
 public:
  explicit HostQueue(Parallel* parallel) : parallel_(parallel) {}

  Status launch(const Kernel& kernel, const KernelContext& context, std::int32_t step) noexcept override {
    if (capture_ != nullptr) {
      capture_->launches.emplace_back(context.in_count + context.out_count).set(kernel, context, step);
      return {};
    }
    if (!status_) return {};
    KernelContext own = context;
    if (parallel_ != nullptr) own.parallel = parallel_;
    const Status status = kernel.run(own);
    return note(status || status.step() >= 0 ? status : status.at_step(step));
  }
  Status copy(void* to, const void* from, std::int64_t bytes, Direction) noexcept override {
    if (status_ && bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));
    return {};
  }
  Status record(Event&) noexcept override { return {}; }
  Status synchronise() noexcept override { return std::exchange(status_, Status{}); }

  void begin_capture() override { capture_ = std::make_unique<CapturedLaunches>(); }
  std::unique_ptr<CapturedWork> end_capture() override { return std::move(capture_); }
  Status replay(CapturedWork& work) noexcept override {
    for (const CapturedLaunch& launch : static_cast<CapturedLaunches&>(work).launches)
      if (status_) (void)note(launch.run(parallel_));
    return {};
  }

 private:
  Status note(Status status) noexcept {
    if (!status) status_ = status;
    return {};
  }

  Parallel* parallel_;
  Status status_;
  std::unique_ptr<CapturedLaunches> capture_;
};

}  // namespace

std::optional<double> time_on_host(const Kernel& kernel, const KernelContext& context) {
  using Clock = std::chrono::steady_clock;
  // A warm-up, then at least three runs and at most about 15 ms of them: the smallest time is the kernel's own. Short
  // kernels run for a millisecond, so that an interruption of the machine does not cover all of their runs.
  double best = 0, spent = 0;
  for (int run = 0; (run < 12 || spent < 1000) && (run < 4 || spent < 15000); ++run) {
    const auto begin = Clock::now();
    if (!kernel.run(context)) return std::nullopt;
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    spent += us;
    if (run > 0 && (best == 0 || us < best)) best = us;
    // A second or more for one run is told apart well enough by it.
    if (spent > (run == 0 ? 1e6 : 4e5) && (run == 0 || run >= 2)) return run == 0 ? us : best;
  }
  return best;
}

std::string HostDevice::identity(int threads) const {
  return fmt::format("{} {}t {:016x}", isa_name(cpu_info().isa), threads, hash64(cpu_info().model));
}

DeviceMemory HostDevice::allocate(std::int64_t bytes, const RegionOptions& options) {
  const auto region = std::make_shared<const Region>(bytes, options);
  return {region->data(), bytes, region};
}

std::unique_ptr<Queue> HostDevice::make_queue(const QueueOptions& options) {
  return std::make_unique<HostQueue>(options.parallel);
}

std::unique_ptr<Event> HostDevice::make_event() { return std::make_unique<HostEvent>(); }

}  // namespace monza::backend
