#include "backend/device.h"

#include <chrono>

#include "backend/cpu/host_device.h"
#include "backend/cuda/cuda_device.h"
#include "backend/reference/reference_device.h"
#include "base/error.h"

namespace monza::backend {

Status Queue::launch_timed(const Kernel& kernel, const KernelContext& context, std::int32_t step, double& us) noexcept {
  const auto begin = std::chrono::steady_clock::now();
  if (Status s = launch(kernel, context, step); !s) return s;
  const Status done = synchronise();
  us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  return done;
}

DeviceMemory Device::allocate_on_host(std::int64_t bytes, const RegionOptions& options) {
  const auto region = std::make_shared<const Region>(bytes, options);
  return {region->data(), bytes, region};
}

std::shared_ptr<Device> open_device(DeviceKind kind, std::span<const std::byte> code) {
  if (!code.empty()) fail("the engine carries {} bytes of code for a device that runs none", code.size());
  switch (kind) {
    case DeviceKind::cpu: return std::make_shared<HostDevice>();
    case DeviceKind::reference: return std::make_shared<ReferenceDevice>();
    case DeviceKind::cuda: return open_cuda_device();
  }
  fail("device kind {} is unknown", static_cast<int>(kind));
}

}  // namespace monza::backend
