// The host as a device: the process's memory, and work that is done at once by the thread that asks for it.
#pragma once

#include "backend/device.h"

namespace monza::backend {

/// Times `kernel` on the calling thread and those of `context.parallel`.
std::optional<double> time_on_host(const Kernel& kernel, const KernelContext& context);

/// Its queues do what they are given before the call returns, so all that is put in later, anywhere, comes after it.
class HostDevice final : public Device {
 public:
  DeviceKind kind() const noexcept override { return DeviceKind::cpu; }
  std::string identity(int threads) const override;
  DeviceMemory allocate(std::int64_t bytes, const RegionOptions& options) override;
  std::unique_ptr<Queue> make_queue(const QueueOptions& options) override;
  std::unique_ptr<Event> make_event() override;
  std::optional<double> time(const Kernel& kernel, const KernelContext& context) override {
    return time_on_host(kernel, context);
  }
};

}  // namespace monza::backend
