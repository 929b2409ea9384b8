#include "runtime/program.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/plugin_operator.h"
#include "kernel/registry.h"

namespace monza::runtime {

namespace {

std::span<const std::byte> part_of(std::span<const std::byte> all, std::int64_t offset, std::int64_t bytes) {
  return all.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes));
}

/// Throws Error when the plan has kernels of plugins' operators ("OPERATOR:DEVICE") that are not loaded.
void check_plugins(const plan::Plan& plan) {
  const std::vector<std::string> loaded = plugin_operators();
  std::vector<std::string> missing;
  for (const plan::KernelRef& ref : plan.kernels) {
    const std::string_view name = plan.text(ref.name);
    const std::string op(name.substr(0, name.rfind(':')));
    if (parse_plugin_operator(op) && std::find(loaded.begin(), loaded.end(), op) == loaded.end() &&
        std::find(missing.begin(), missing.end(), op) == missing.end())
      missing.push_back(op);
  }
  if (!missing.empty()) fail_missing_operators(missing, loaded);
}

}  // namespace

std::shared_ptr<const Devices> open_devices(const plan::Plan& plan, std::span<const std::byte> weights,
                                            std::span<const std::byte> code) {
  auto devices = std::make_shared<Devices>();
  for (const plan::DeviceRef& ref : plan.devices) {
    const auto own_code = part_of(code, ref.code_offset, ref.code_bytes);
    Devices::Open open{backend::open_device(static_cast<DeviceKind>(ref.kind), own_code), {}};
    const auto part = part_of(weights, ref.weights_offset, ref.weights_bytes);
    if (open.device->kind() == DeviceKind::cpu) {
      open.weights = {const_cast<std::byte*>(part.data()), ref.weights_bytes, nullptr};
    } else if (!part.empty()) {
      open.weights = open.device->allocate(ref.weights_bytes);
      const std::unique_ptr<backend::Queue> queue = open.device->make_queue({});
      Status status =
          queue->copy(open.weights.data, part.data(), ref.weights_bytes, backend::Queue::Direction::to_device);
      if (status) status = queue->synchronise();
      if (!status)
        fail("weights cannot be brought to the device '{}': {}", open.device->identity(plan.threads), status.message());
    }
    devices->list.push_back(std::move(open));
  }
  return devices;
}

std::shared_ptr<const Program> make_program(const plan::Plan& plan, std::span<const std::byte> weights,
                                            std::shared_ptr<const void> owner, std::shared_ptr<const Devices> devices) {
  static const char* const kRebuild = "rebuild the engine on this machine: monza build MODEL --output FILE";
  auto program = std::make_shared<Program>();
  program->plan = plan;
  program->weights = weights;
  program->owner = std::move(owner);
  program->devices = devices != nullptr ? std::move(devices) : open_devices(plan, weights);
  program->kernels.reserve(plan.kernels.size());
  for (const plan::KernelRef& ref : plan.kernels) {
    const std::string_view name = plan.text(ref.name);
    const Kernel* kernel = find_kernel(name);
    if (kernel == nullptr) check_plugins(plan);
    if (kernel == nullptr)
      fail_hint(kRebuild, "the engine uses kernel '{}', which this build of monza does not have", name);
    if (kernel->version != ref.version)
      fail_hint(kRebuild, "the engine uses version {} of kernel '{}', this build of monza has version {}", ref.version,
                name, kernel->version);
    if (!covers(cpu_info().isa, kernel->needs))
      fail_hint(kRebuild, "the engine uses kernel '{}', which needs {}; this CPU has {}", name, isa_name(kernel->needs),
                isa_name(cpu_info().isa));
    const OperatorCheck* check = find_check(kernel->op);
    if (check == nullptr)
      fail_hint("add its rule to src/ops/<family>/<family>.check.cpp",
                "operator '{}' does not say what its kernels rely on, so they are not run", kernel->op);
    program->kernels.push_back(kernel);
    program->checks.push_back(check);
  }
  return program;
}

}  // namespace monza::runtime
