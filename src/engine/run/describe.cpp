// The plan in words: one line a step.
#include "base/constraint.h"
#include "base/error.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza {
namespace {

using plan::Base;

std::string address(const plan::Plan& plan, const plan::Operand& o) {
  switch (o.base) {
    case Base::arena:
      return plan.devices.size() > 1 ? fmt::format("arena{}+{}", o.device, o.byte_offset)
                                     : fmt::format("arena+{}", o.byte_offset);
    case Base::weights:
      return plan.devices.size() > 1 ? fmt::format("weights{}+{}", o.device, o.byte_offset)
                                     : fmt::format("weights+{}", o.byte_offset);
    case Base::input:
      return fmt::format("input '{}'+{}", plan.text(plan.inputs[static_cast<std::size_t>(o.index)].name),
                         o.byte_offset);
    case Base::output:
      return fmt::format("output '{}'+{}", plan.text(plan.outputs[static_cast<std::size_t>(o.index)].name),
                         o.byte_offset);
    case Base::state: return fmt::format("state '{}'", plan.text(plan.states[static_cast<std::size_t>(o.index)].name));
    case Base::none: break;
  }
  return "-";
}

std::string operand(const plan::Plan& plan, const plan::Operand& o) {
  if (o.base == Base::none) return "-";
  static constexpr const char* kLayouts[] = {"", " blocked8", " blocked16", " packed"};
  std::string shape;
  for (int a = 0; a < o.rank; ++a) {
    if (a > 0) shape += 'x';
    // Registers of a dynamic operand hold nothing yet: the register's number says which extents are equal.
    shape += o.is_static != 0 ? std::to_string(plan.registers[static_cast<std::size_t>(o.extent[a])])
                              : fmt::format("r{}", o.extent[a]);
  }
  return fmt::format("{}[{}]{} @{}", dtype_name(o.dtype), shape, kLayouts[static_cast<int>(o.layout)],
                     address(plan, o));
}

std::string operands(const plan::Plan& plan, const plan::Range& range) {
  std::string text;
  for (std::uint32_t i = 0; i < range.count; ++i)
    text += (i ? ", " : "") + operand(plan, plan.operands[range.begin + i]);
  return text;
}

void describe_region(const plan::Plan& plan, std::int32_t region, int depth, std::string& text) {
  const plan::Range steps = plan.regions[static_cast<std::size_t>(region)].steps;
  for (std::uint32_t i = steps.begin; i < steps.begin + steps.count; ++i) {
    const plan::Step& s = plan.steps[i];
    text += fmt::format("{:{}}{:4} {} [{}] ({}) -> ({})", "", 2 * depth, i, work_of(plan, s), plan.text(s.name),
                        operands(plan, s.inputs), operands(plan, s.outputs));
    if (const Arithmetic* a = arithmetic_of(plan, s)) text += fmt::format(" in {}", precision_name(a->computes_in));
    if (plan.devices.size() > 1) text += fmt::format(" device {}", s.device);
    if (s.queue != 0) text += fmt::format(" queue {}", s.queue);
    if (s.scratch_bytes > 0) text += fmt::format(" scratch {}", s.scratch_bytes);
    if (s.measured_us > 0) text += fmt::format(" {:.1f} us", s.measured_us);
    text += '\n';
    if (s.kind == plan::StepKind::branch)
      for (std::uint32_t k = 0; k < s.regions.count; ++k) {
        text += fmt::format("{:{}}     {}:\n", "", 2 * depth, k == 0 ? "then" : "else");
        describe_region(plan, plan.region_refs[s.regions.begin + k], depth + 1, text);
      }
    if (s.kind == plan::StepKind::loop)
      describe_region(plan, plan.loops[static_cast<std::size_t>(s.loop)].region, depth + 1, text);
  }
}

}  // namespace

const Arithmetic* arithmetic_of(const plan::Plan& plan, const plan::Step& step) {
  const Kernel* kernel = step.flops > 0 ? find_kernel(work_of(plan, step)) : nullptr;
  return kernel != nullptr ? &kernel->arithmetic : nullptr;
}

std::string Engine::describe_plan() const {
  const engine_file::Image& image = impl_->image;
  std::string text;
  for (std::size_t k = 0; k < image.plan_count(); ++k) {
    const plan::Plan& plan = image.plan_of(k);
    if (image.plan_count() > 1) text += fmt::format("profile {}: {}\n", k, plan::to_string(image.info.profiles[k]));
    text += fmt::format("plan: {} steps, {} threads, {}\n", plan.steps.size(), plan.threads, isa_name(image.info.isa));
    for (std::size_t i = 0; i < plan.devices.size(); ++i)
      text += fmt::format("arena {}: {} bytes, lower bound {}\n", i, plan.devices[i].arena_bytes,
                          plan.devices[i].arena_lower_bound);
    text += fmt::format("weights: {} bytes in {} blocks\n", image.weights.size(), plan.weight_blocks.size());
    describe_region(plan, 0, 0, text);
  }
  return text;
}

}  // namespace monza
