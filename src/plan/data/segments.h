// What a device may capture and replay: the rule that the planner marks segments by and the verifier holds them to.
#pragma once

#include <algorithm>

#include "plan/data/plan.h"

namespace monza::plan {

/// Whether each run hands out the same launch for the step: a kernel whose operands lie at fixed places of the arena
/// and the weights, whose extents are constants, and of which the host neither reads nor computes anything.
inline bool is_same_in_every_run(const Plan& plan, const Step& step) {
  if (step.kind != StepKind::kernel || step.extents.count > 0 || step.program.count > 0) return false;
  const auto fixed = [&](const Range& range) {
    return std::all_of(plan.operands.begin() + range.begin, plan.operands.begin() + range.begin + range.count,
                       [](const Operand& o) {
                         const bool place = o.base == Base::arena || o.base == Base::weights;
                         return o.base == Base::none || (place && o.is_static != 0);
                       });
  };
  return fixed(step.inputs) && fixed(step.outputs);
}

/// Whether the step goes on with a segment that ends with `before`. What waits begins a segment, what signals ends one.
inline bool may_follow(const Step& before, const Step& step) {
  if (before.device != step.device) return false;
  return step.device == 0 || (before.queue == step.queue && step.waits.count == 0 && before.signals < 0);
}

}  // namespace monza::plan
