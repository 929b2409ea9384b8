// What is decided for a whole region before its nodes are planned in order. Internal to src/plan.
#pragma once

#include <map>
#include <vector>

#include "plan/layouts.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"
#include "plan/targets.h"

namespace monza::plan {

struct RegionDecisions {
  Targets targets;
  std::map<ir::NodeId, Assigned> assigned;  ///< empty in plans that are not tuned

  /// What was chosen for the node, or null.
  const Assigned* assigned_to(const ir::Node& node) const {
    const auto it = assigned.find(node.id);
    return it == assigned.end() ? nullptr : &it->second;
  }
};

/// For a region whose inputs have their places in `values`, and whose output i is to lie at outputs[i] (dense).
RegionDecisions decide(const RegionScope& scope, RegionValues& values, const std::vector<Place>& outputs);

}  // namespace monza::plan
