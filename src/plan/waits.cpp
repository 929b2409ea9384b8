#include "plan/waits.h"

#include <cstdint>
#include <limits>
#include <vector>

#include "plan/data/step_order.h"

namespace monza::plan {
namespace {

void write_region(PlanStorage& storage, std::size_t index) {
  const Plan plan = storage.view();
  const Range steps = plan.regions[index].steps;
  StepOrder order(plan, std::numeric_limits<std::int64_t>::max());
  for (std::uint32_t i = steps.begin; i < steps.begin + steps.count; ++i) {
    std::vector<std::uint32_t> needed = order.missing(i);
    // A body ends with nothing on its way: its next turn, and the steps behind it, take that for granted.
    if (index != 0 && i + 1 == steps.begin + steps.count && plan.steps[i].kind == StepKind::wait)
      needed = order.under_way();
    Step& step = storage.steps[i];
    step.waits = {static_cast<std::uint32_t>(storage.events.size()), static_cast<std::uint32_t>(needed.size())};
    for (const std::uint32_t other : needed) {
      std::int32_t& event = storage.steps[other].signals;
      if (event < 0) event = storage.event_count++;
      storage.events.push_back(event);
      order.wait(i, other);
    }
    if (needed.empty()) step.waits = {};
    order.issue(i);
  }
}

}  // namespace

void write_waits(PlanStorage& plan) {
  if (plan.devices.size() == 1) return;
  for (std::size_t region = 0; region < plan.regions.size(); ++region) write_region(plan, region);
}

}  // namespace monza::plan
