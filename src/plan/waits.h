// Waits and signals between the queues of a plan.
#pragma once

#include "plan/data/plan.h"

namespace monza::plan {

/// Has each step wait for those of other queues that it must come after (plan/data/step_order.h), and these signal it,
/// with as few events as that takes. Throws nothing; a plan of the host alone needs none and stays as it is.
void write_waits(PlanStorage& plan);

}  // namespace monza::plan
