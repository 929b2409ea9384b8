// The choice of kernels, devices and layouts over a whole region. Internal to src/plan.
#pragma once

#include <map>

#include "kernel/kernel.h"
#include "plan/candidates.h"
#include "plan/place.h"
#include "plan/targets.h"

namespace monza::plan {

/// What was chosen for a node.
struct Assigned {
  Candidate candidate;      ///< without a kernel for a concatenation
  Port form = Port::dense;  ///< of uniform operands, of strided results, of a concatenation's buffer
  Choice choice;
};

struct LayoutQuestion {
  const PlanBuilder& builder;
  const RegionFacts& facts;
  const Candidates& candidates;
  const Targets& targets;
  std::map<ir::ValueId, Place> inputs;  ///< where the graph's inputs lie
};
/// Chooses by measured times. Empty when nothing could be timed.
std::map<ir::NodeId, Assigned> choose_layouts(const LayoutQuestion& question);

}  // namespace monza::plan
