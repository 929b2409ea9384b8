// Planning If, Loop and Scan: a step of the host around bodies, which are regions of their own. Internal to src/plan.
#pragma once

#include "ir/graph.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"
#include "plan/targets.h"

namespace monza::plan {

/// An If: two bodies that write to the same places.
void plan_branch(RegionScope& scope, RegionValues& values, const Targets& targets, ir::Node& node);
/// A Loop or Scan: operands that the runtime copies between iterations, around the body's own region.
void plan_loop(RegionScope& scope, RegionValues& values, const Targets& targets, ir::Node& node);

}  // namespace monza::plan
