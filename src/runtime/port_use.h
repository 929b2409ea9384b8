// Who reads and writes what callers bind: where memory of another device may be bound.
#pragma once

#include <vector>

#include "kernel/kernel.h"
#include "plan/data/plan.h"
#include "runtime/program.h"

namespace monza::runtime {

struct PortUse {
  bool host = false;         ///< a step of the host, a loop or an extent reads or writes it
  SetOf<DeviceKind> copied;  ///< kinds of the devices that copies take it to, or bring it from
};
struct PortUses {
  std::vector<PortUse> inputs, outputs;  ///< as Plan::inputs and Plan::outputs
};
PortUses uses_of_ports(const plan::Plan& plan, const Devices& devices);

/// Whether memory of a device of that kind can be bound: nobody but copies to it, or from it, comes by.
Status may_lie_on(DeviceKind device, const PortUse& use, const Devices& devices) noexcept;

}  // namespace monza::runtime
