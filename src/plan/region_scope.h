// What the parts that plan one graph, or one body inside it, work on together. Internal to src/plan.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "plan/builder.h"
#include "plan/candidates.h"
#include "plan/planner.h"
#include "plan/region_facts.h"

namespace monza::plan {

/// The plan under construction, a graph with what is known of it, and the steps of its region so far. It knows nothing
/// of where values lie: steps are given places.
struct RegionScope {
  /// All must outlive it.
  RegionScope(PlanBuilder& plan_builder, ir::Graph& planned, int index, std::vector<Choice>& made);
  RegionScope(const RegionScope&) = delete;
  RegionScope& operator=(const RegionScope&) = delete;

  PlanBuilder& builder;
  ir::Graph& graph;
  const int region;              ///< index into Plan::regions
  std::vector<Choice>& choices;  ///< of the whole model, in the order in which nodes are planned
  const RegionFacts facts;
  const Candidates candidates;
  std::vector<Step> steps;

  int device_of(const Place& place) const { return builder.storage(place.storage).device; }
  /// Memory for a value of that type, dense, in the arena of the device.
  Place dense_memory(const TypedShape& type, int device);

  // Steps. Those that return one leave its name to identify().
  /// Rearranges elements on the device where both places lie.
  Step& copy(const Place& from, const Place& to, const TypedShape& type);
  /// A copy between the host and another device, of two dense places.
  Step& transfer(const Place& from, const Place& to, const TypedShape& type);
  /// The host waits here for what is copied to its memory.
  void wait(const Place& place, const TypedShape& type, ir::ValueId value);
  /// Ends a body: the host waits for whatever other devices still do of it.
  void wait_for_all();
  /// Says that the step computes the node, or that it only rearranges the value.
  void identify(Step& step, const ir::Node& node);
  void identify(Step& step, ir::ValueId value, std::string_view name);
};

}  // namespace monza::plan
