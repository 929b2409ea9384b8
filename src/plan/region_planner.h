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
#include "plan/planner.h"

namespace monza::plan {

/// What a kernel would be asked, with the memory that the question points into.
struct Question {
  std::vector<OperandDesc> in, out;
  std::vector<std::byte> params;
  KernelQuery query;
};

class LayoutChooser;

/// The kind of device that a node names. Error when there is none of that name.
DeviceKind device_kind(const ir::Graph& graph, const ir::Node& node);

class RegionPlanner {
 public:
  /// `parent` is the planner of the enclosing graph, or null.
  RegionPlanner(PlanBuilder& builder, ir::Graph& graph, int region, RegionPlanner* parent,
                std::vector<Choice>& choices);

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
  friend class LayoutChooser;  // layouts.cpp: reads what is known before planning, fills assigned_
  // placement.cpp: where results go.
  void find_needed();
  void find_targets(const std::vector<Place>& outputs);
  void find_concats();
  struct Part {
    ir::NodeId concat;
    int axis;
    ir::Expr start;  ///< along the concat's axis
  };
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
  void plan_kernel(ir::Node& node);
  void plan_branch(ir::Node& node);
  /// Copies a model output that does not lie in the caller's memory there now: its storage is free the sooner.
  void write_target(ir::ValueId value, bool view);
  // devices.cpp: which device computes what, and what is copied between them.
  int device_of(const ir::Node& node) const;
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
  std::string name_of(const ir::Value& value) const;
  // loop.cpp
  void plan_loop(ir::Node& node, bool is_scan);
  int loop_operand(const Place& place, const TypedShape& type, const std::set<ir::ValueId>& bound_to);
  /// The step, for identify().
  Step& copy(const Place& from, const Place& to, const TypedShape& type);
  /// Says that the step computes the node, or that it only rearranges the value.
  void identify(Step& step, const ir::Node& node);
  void identify(Step& step, ir::ValueId value, std::string_view name);
  const Kernel& copy_kernel(Layout from, Layout to, const TypedShape& type, int device) const;
  /// A place of `value` that the port takes on `device`; converts when there is none.
  Place ensure(ir::ValueId value, Port port, int device, const Place* uniform = nullptr);
  /// Where the value lies; a constant at least on `device`.
  const std::vector<Place>& forms(ir::ValueId value, int device = 0);
  void add_form(ir::ValueId value, const Place& place);
  /// Makes the place the only one that the value lies at.
  void set_form(ir::ValueId value, const Place& place);
  bool may_overwrite(const ir::Node& node, int input);
  TypedShape type_of(ir::ValueId value) const;
  std::string name_of(const ir::Node& node) const;
  void ask(Question& q, const ir::Node& node, const Kernel& kernel);
  /// What the kernel, asked about the largest extents, says of those that come about where every input's extent is the
  /// least one: a run asks it again. Extents that values decide stay the largest; 0 counts as 1.
  Refusal refuse_least(const Question& q, const ir::Node& node, const Kernel& kernel) const;
  /// Whether the node's operands at the kernel's uniform ports have the same shape in every run.
  bool lie_alike(const ir::Node& node, const Kernel& kernel) const;
  /// Kernels that take the node, best first; the others and their reasons go to `choice`. Throws when there is none.
  std::vector<const Kernel*> fitting(const ir::Node& node, int device, Choice& choice);
  void refuse_unfit(const Question& q, const ir::Node& node);
  const Kernel* choose(ir::Node& node, int device);
  Place output_place(ir::Node& node, int output, const Kernel& kernel, int device, const Place* uniform,
                     const std::vector<Place>& inputs);
  const std::vector<ir::Alias>& aliases(const ir::Node& node) const { return aliases_of(node).list; }
  bool is_view_node(const ir::Node& node) const { return aliases_of(node).view; }
  bool is_concat(const ir::Node& node);

  PlanBuilder& b_;
  ir::Graph& graph_;
  int region_;
  RegionPlanner* parent_;
  std::vector<Choice>& choices_;
  std::vector<Step> steps_;
  std::map<ir::ValueId, std::vector<Place>> forms_;  ///< the first is where it was computed
  struct Aliases {
    std::vector<ir::Alias> list;
    bool view = false;  ///< every output is a view of an input
  };
  const Aliases& aliases_of(const ir::Node& node) const;
  mutable std::map<ir::NodeId, Aliases> aliases_;    ///< a Split has one for every output, and is asked for each
  std::map<int, std::vector<ir::ValueId>> holders_;  ///< by storage: values that lay there and may be read again
  std::map<ir::ValueId, int> uses_;                  ///< reads still to come
  std::map<ir::ValueId, Place> targets_;             ///< where the value should be computed
  std::map<ir::ValueId, Part> parts_;                ///< values that should be computed inside a concat's buffer
  std::map<ir::NodeId, Place> buffers_;
  std::set<ir::NodeId> needed_;
  struct Assigned {
    const Kernel* kernel = nullptr;  ///< null for a concatenation
    Port form = Port::dense;         ///< of uniform operands, of strided results, of a concatenation's buffer
    Choice choice;
  };
  std::map<ir::NodeId, Assigned> assigned_;                 ///< empty in plans that are not tuned
  std::map<ir::ValueId, std::set<std::int64_t>> elements_;  ///< elements that extents read
};

}  // namespace monza::plan
