// What a device may capture and replay: the rule that the planner marks segments by and the verifier holds them to.
#pragma once

#include <algorithm>

#include "plan/data/plan.h"

namespace monza::plan {

/// A step that the host must look into or after: a branch, a loop, a reported extent, a loaded element.
inline bool needs_host(const Plan& plan, const Step& step) {
  const auto program = plan.program.subspan(step.program.begin, step.program.count);
  return step.kind != StepKind::kernel || step.extents.count > 0 ||
         std::any_of(program.begin(), program.end(),
                     [](const ScalarInstruction& i) { return i.op == ScalarOp::load_element; });
}

/// Which runs hand out the same launch for the step: of a kernel whose operands lie in the arena and the weights, and
/// of which the host reads nothing. All of them, where places and extents are constants and nothing is computed of
/// them.
inline Capturable capturable(const Plan& plan, const Step& step) {
  if (needs_host(plan, step)) return Capturable::never;
  Capturable result = step.program.count == 0 ? Capturable::always : Capturable::by_shape;
  for (const Range& range : {step.inputs, step.outputs})
    for (const Operand& o : plan.operands.subspan(range.begin, range.count)) {
      if (o.base == Base::none) continue;
      if (o.base != Base::arena && o.base != Base::weights) return Capturable::never;
      if (o.is_static == 0) result = Capturable::by_shape;
    }
  return result;
}

/// Whether the step goes on with a segment that ends with `before`. What waits begins a segment, what signals ends one.
inline bool may_follow(const Step& before, const Step& step) {
  if (before.device != step.device) return false;
  return step.device == 0 || (before.queue == step.queue && step.waits.count == 0 && before.signals < 0);
}

}  // namespace monza::plan
