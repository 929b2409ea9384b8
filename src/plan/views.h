// Nodes whose results are views of what they read: Reshape, Transpose, Slice, Split, Expand. Internal to src/plan.
#pragma once

#include "ir/graph.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"
#include "plan/targets.h"

namespace monza::plan {

/// Gives the node's results places in what they look at, so that no step computes them. False where the node makes no
/// views, or strides cannot express one: a kernel is to compute it.
bool plan_views(RegionScope& scope, RegionValues& values, const Targets& targets, const ir::Node& node);

}  // namespace monza::plan
