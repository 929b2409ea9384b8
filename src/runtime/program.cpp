#include "runtime/program.h"

#include "base/cpu.h"
#include "base/error.h"
#include "kernel/registry.h"

namespace monza::runtime {

std::shared_ptr<const Program> make_program(const plan::Plan& plan, std::span<const std::byte> weights,
                                            std::shared_ptr<const void> owner) {
  static const char* const kRebuild = "rebuild the engine on this machine: monza build MODEL --output FILE";
  auto program = std::make_shared<Program>();
  program->plan = plan;
  program->weights = weights;
  program->owner = std::move(owner);
  program->kernels.reserve(plan.kernels.size());
  for (const plan::KernelRef& ref : plan.kernels) {
    const std::string_view name = plan.text(ref.name);
    const Kernel* kernel = find_kernel(name);
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
