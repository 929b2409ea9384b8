// Plans the nodes of one graph, and the bodies inside it, in order. Internal to src/plan.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"
#include "plan/builder.h"
#include "plan/candidates.h"
#include "plan/layouts.h"
#include "plan/planner.h"
#include "plan/region_facts.h"
#include "plan/targets.h"

namespace monza::plan {

class RegionPlanner {
 public:
  RegionPlanner(PlanBuilder& builder, ir::Graph& graph, int region, std::vector<Choice>& choices);

  /// The body's inputs lie where the enclosing graph has them.
  void bind(ir::ValueId value, const Place& place) { add_form(value, place); }
  /// Plans all needed nodes; then output i lies at `outputs[i]` (dense).
  void run(const std::vector<Place>& outputs);
  /// Ends a body: the host waits for whatever other devices still do of it.
  void await_all();
  std::vector<Step>& steps() { return steps_; }
  /// Loads the elements of `value` on which extents depend; called once it is computed.
  void load_elements(ir::ValueId value);

 private:
  // buffers.cpp: concatenations, whose inputs are computed inside of them.
  std::optional<Place> part_place(ir::ValueId value, Port port);
  Place& concat_buffer(const ir::Node& concat, Port port);

  // region_planner.cpp
  void plan_node(ir::Node& node);
  bool plan_views(ir::Node& node);
  void plan_concat(ir::Node& node);
  // region_checks.cpp: what inference leaves to the run and no kernel sees.
  /// A run in which the extents differ fails.
  void check_equal(const ir::Expr& have, const ir::Expr& want, const std::string& what);
  /// A run in which the extent is smaller fails; Error if it always is.
  void check_least(const ir::Expr& have, std::int64_t least, const std::string& what);
  /// A run in which the node's views do not lie in its input, or leave a part of it out, fails.
  void check_views(const ir::Node& node, const std::vector<ir::Alias>& views);
  // kernel_steps.cpp
  struct KernelNode;
  void plan_kernel(ir::Node& node);
  std::optional<Place> uniform_form(const ir::Node& node, const Kernel& kernel);
  void take_inputs(KernelNode& k);
  void place_outputs(KernelNode& k);
  static ir::SymShape bounded(const ir::Node& node, ir::SymShape shape);
  void describe_work(const KernelNode& k, Step& step);
  Step kernel_step(const KernelNode& k);
  /// Says in which registers the extents are that the step reports.
  void bind_reported(const ir::Node& node, const Step& step);
  // branch.cpp
  void plan_branch(ir::Node& node);
  /// Copies a model output that does not lie in the caller's memory there now: its storage is free the sooner.
  void write_target(ir::ValueId value, bool view);
  // devices.cpp: what is copied between devices.
  int device_of(const Place& place) { return b_.storage(place.storage).device; }
  bool lies_on(ir::ValueId value, int device);
  /// The first place of `value` on the device, dense and brought there when there is none.
  Place on_device(ir::ValueId value, int device);
  /// What a body's input is, on each device that the enclosing graph's value lies on.
  void capture(RegionPlanner& inner, ir::ValueId input, ir::ValueId value);
  /// Writes `value` to the place, from wherever it lies.
  void deliver(ir::ValueId value, const Place& to, const std::string& name);
  /// A copy between the host and another device, of two dense places. The step, for identify().
  Step& transfer(const Place& from, const Place& to, const TypedShape& type);
  /// The host waits here for what is copied to its memory.
  void await(const Place& place, const TypedShape& type, ir::ValueId value);
  // loop.cpp
  struct LoopNode;
  void plan_loop(ir::Node& node, bool is_scan);
  Place loop_memory(LoopNode& l, const TypedShape& type);
  void take_loop_inputs(LoopNode& l);
  void place_loop_results(LoopNode& l);
  Range plan_loop_body(LoopNode& l);
  void list_loop_operands(LoopNode& l);
  void list_scan_axes(LoopNode& l);
  int loop_operand(const Place& place, const TypedShape& type, const std::set<ir::ValueId>& bound_to);
  /// The step, for identify().
  Step& copy(const Place& from, const Place& to, const TypedShape& type);
  /// Says that the step computes the node, or that it only rearranges the value.
  void identify(Step& step, const ir::Node& node);
  void identify(Step& step, ir::ValueId value, std::string_view name);
  /// A place of `value` that the port takes on `device`; converts when there is none.
  Place ensure(ir::ValueId value, Port port, int device, const Place* uniform = nullptr);
  /// Where the value lies; a constant at least on `device`.
  const std::vector<Place>& forms(ir::ValueId value, int device = 0);
  void add_form(ir::ValueId value, const Place& place);
  /// Makes the place the only one that the value lies at.
  void set_form(ir::ValueId value, const Place& place);
  bool may_overwrite(const ir::Node& node, int input);
  TypedShape type_of(ir::ValueId value) const { return facts_.type_of(value); }
  std::string name_of(const ir::Node& node) const { return facts_.name_of(node); }
  std::string name_of(const ir::Value& value) const { return facts_.name_of(value); }
  Candidate choose(const ir::Node& node);
  Place output_place(ir::Node& node, int output, const Kernel& kernel, int device, const Place* uniform,
                     const std::vector<Place>& inputs);

  PlanBuilder& b_;
  ir::Graph& graph_;
  const RegionFacts facts_;
  const Candidates candidates_{b_, facts_};
  Targets targets_;
  int region_;
  std::vector<Choice>& choices_;
  std::vector<Step> steps_;
  std::map<ir::ValueId, std::vector<Place>> forms_;  ///< the first is where it was computed
  std::map<int, std::vector<ir::ValueId>> holders_;  ///< by storage: values that lay there and may be read again
  std::map<ir::ValueId, int> uses_;                  ///< reads still to come
  std::map<ir::NodeId, Place> buffers_;
  std::map<ir::NodeId, Assigned> assigned_;  ///< empty in plans that are not tuned
};

}  // namespace monza::plan
