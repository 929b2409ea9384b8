// A plan made runnable on this machine: kernels resolved, weights in place.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "backend/device.h"
#include "kernel/check.h"
#include "kernel/kernel.h"
#include "plan/data/plan.h"

namespace monza::runtime {

/// The devices of an engine's plans, open, with the weights where their kernels read them.
struct Devices {
  struct Open {
    std::shared_ptr<backend::Device> device;
    backend::DeviceMemory weights;
  };
  std::vector<Open> list;  ///< as Plan::devices
};
/// Opens the devices of `plan`, each with its part of `code`, and brings each its part of `weights`; the host reads
/// them where they are. Throws Error.
std::shared_ptr<const Devices> open_devices(const plan::Plan& plan, std::span<const std::byte> weights,
                                            std::span<const std::byte> code = {});

/// Immutable and shared by all contexts of an engine.
struct Program {
  plan::Plan plan;  ///< verified: the executor trusts its indices
  std::span<const std::byte> weights;
  std::vector<const Kernel*> kernels;  ///< by index of Plan::kernels
  /// The operators' rules, parallel to `kernels`. Empty in tests whose kernels belong to no operator.
  std::vector<const OperatorCheck*> checks;
  std::shared_ptr<const Devices> devices;
  std::shared_ptr<const void> owner;  ///< keeps plan and weights alive
};

/// Finds every kernel by name and version, and its operator's rule. Throws Error naming a kernel that this binary
/// lacks, has in another version, or that this CPU cannot run.
/// `devices` are those of the engine's other plans; null: they are opened.
std::shared_ptr<const Program> make_program(const plan::Plan& plan, std::span<const std::byte> weights,
                                            std::shared_ptr<const void> owner,
                                            std::shared_ptr<const Devices> devices = nullptr);

}  // namespace monza::runtime
