#include "runtime/port_use.h"

#include <algorithm>

namespace monza::runtime {
namespace {

using plan::Base;
using plan::Operand;

class Finder {
 public:
  Finder(const plan::Plan& plan, const Devices& devices) : plan_(plan) {
    uses_.inputs.resize(plan.inputs.size());
    uses_.outputs.resize(plan.outputs.size());
    for (const plan::Step& step : plan.steps) {
      if (step.kind == plan::StepKind::wait) continue;  // names what arrives, and touches nothing
      const bool copy = step.kind == plan::StepKind::copy;
      for (const plan::Range& range : {step.inputs, step.outputs})
        each_port(range, [&](PortUse& use) {
          if (copy) use.copied.insert(devices.list[step.device].device->kind());
          else use.host = true;
        });
    }
    for (const plan::LoopInfo& loop : plan.loops) add_loop(loop);
    for (const plan::ScalarInstruction& instruction : plan.program)
      if (instruction.op == plan::ScalarOp::load_element) on_host(instruction.a);
  }
  PortUses uses() && { return std::move(uses_); }

 private:
  PortUse* port_of(const Operand& o) {
    if (o.base != Base::input && o.base != Base::output) return nullptr;
    return &(o.base == Base::input ? uses_.inputs : uses_.outputs)[static_cast<std::size_t>(o.index)];
  }
  template <typename F>
  void each_port(const plan::Range& range, F&& f) {
    for (std::uint32_t k = range.begin; k < range.begin + range.count; ++k)
      if (PortUse* use = port_of(plan_.operands[k])) f(*use);
  }
  void on_host(std::int32_t operand) {
    if (operand < 0) return;
    if (PortUse* use = port_of(plan_.operands[static_cast<std::size_t>(operand)])) use->host = true;
  }
  void add_loop(const plan::LoopInfo& loop) {
    for (const std::int32_t o :
         {loop.trip_count, loop.condition, loop.body_iteration, loop.body_condition_in, loop.body_condition_out})
      on_host(o);
    for (const plan::Range& range : {loop.carried_in, loop.body_carried_in, loop.body_carried_out, loop.carried_out,
                                     loop.scanned, loop.body_scanned, loop.body_scan_out, loop.scan_out})
      each_port(range, [](PortUse& use) { use.host = true; });
  }

  const plan::Plan& plan_;
  PortUses uses_;
};

}  // namespace

PortUses uses_of_ports(const plan::Plan& plan, const Devices& devices) { return Finder(plan, devices).uses(); }

Status may_lie_on(DeviceKind device, const PortUse& use, const Devices& devices) noexcept {
  if (device == DeviceKind::cpu) return {};
  if (std::none_of(devices.list.begin(), devices.list.end(),
                   [&](const Devices::Open& d) { return d.device->kind() == device; }))
    return {StatusCode::invalid_argument, "the tensor lies on a device that the engine does not use"};
  const SetOf<DeviceKind> only{device};
  if (use.host || !((use.copied & only) == use.copied))
    return {StatusCode::invalid_argument,
            "the tensor lies on a device, and the engine needs it on the host or on another one: bind host memory"};
  return {};
}

}  // namespace monza::runtime
