// Plans the nodes of one graph, and the bodies inside it, in order. Internal to src/plan.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "plan/builder.h"
#include "plan/concat_buffers.h"
#include "plan/kernel_steps.h"
#include "plan/planner.h"
#include "plan/region_decisions.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"

namespace monza::plan {

/// Walks over the nodes and hands each to what plans its kind: kernel_steps.h, views.h, concat_buffers.h,
/// control_flow.h. A body of a node is a region with a planner of its own, which those of control_flow.h make.
class RegionPlanner {
 public:
  /// Builder, graph and choices must outlive it.
  RegionPlanner(PlanBuilder& builder, ir::Graph& graph, int region, std::vector<Choice>& choices);

  /// The graph's input lies there: where the caller binds it, or where the graph around a body has it.
  void bind(ir::ValueId input, const Place& place) { values_.add_place(input, place); }
  /// Plans all needed nodes; then output i lies at `outputs[i]` (dense), and of a body nothing is under way.
  void run(const std::vector<Place>& outputs);
  /// Gives the plan the region's steps, and what of the extent program is left.
  void end() { scope_.builder.end_region(scope_.region, scope_.steps); }

 private:
  void plan_node(ir::Node& node);
  void write_output(ir::ValueId value, bool view);

  RegionScope scope_;
  RegionValues values_;
  RegionDecisions decisions_;
  ConcatBuffers buffers_;
  KernelSteps kernels_;
};

}  // namespace monza::plan
