#include "plan/region_planner.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "plan/control_flow.h"
#include "plan/extent_program.h"
#include "plan/views.h"

namespace monza::plan {

RegionPlanner::RegionPlanner(PlanBuilder& builder, ir::Graph& graph, int region, std::vector<Choice>& choices)
    : scope_(builder, graph, region, choices),
      values_(scope_),
      buffers_(scope_, values_, decisions_),
      kernels_(scope_, values_, decisions_, buffers_) {}

void RegionPlanner::run(const std::vector<Place>& outputs) {
  ir::Graph& graph = scope_.graph;
  decisions_ = decide(scope_, values_, outputs);
  for (const ir::ValueId v : graph.inputs()) load_elements(scope_, values_, v);
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph.order())) {
    if (!scope_.facts.is_needed(id)) continue;
    ir::Node& node = graph.node(id);
    try {
      plan_node(node);
    } catch (const Error& e) {
      if (!e.where().empty()) throw;
      throw e.at(ir::describe(graph, node));
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ir::Graph::Output& output = graph.outputs()[i];
    if (!values_.lies_dense_at(output.value, outputs[i]))
      values_.deliver(output.value, outputs[i], "output " + output.name);
  }
  if (scope_.region != 0) scope_.wait_for_all();
}

void RegionPlanner::plan_node(ir::Node& node) {
  const std::string_view op = node.op->name;
  if (has(node.op->flags, ir::OpFlag::control))
    (void)scope_.facts.devices_of(node);  // Error where it cannot be the host
  if (op == "If") plan_branch(scope_, values_, decisions_.targets, node);
  else if (op == "Loop" || op == "Scan") plan_loop(scope_, values_, decisions_.targets, node);
  else if (scope_.facts.is_concat(node)) buffers_.plan(node);
  else if (!plan_views(scope_, values_, decisions_.targets, node)) kernels_.plan(node);
  const bool view = scope_.facts.is_view_node(node);
  for (const ir::ValueId v : node.outputs) write_output(v, view);
  for (const ir::ValueId v : node.outputs) load_elements(scope_, values_, v);
  values_.mark_read(node);
}

/// Copies a model output that does not lie in the caller's memory there now: its storage is free the sooner.
void RegionPlanner::write_output(ir::ValueId value, bool view) {
  const Place* target = decisions_.targets.place_of(value);
  // Memory of the arena is not free for the output's whole life: that copy waits for the end.
  if (target == nullptr || scope_.builder.storage(target->storage).base != Base::output) return;
  if (values_.lies_dense_at(value, *target)) return;
  const auto& outputs = scope_.graph.outputs();
  const auto output = std::find_if(outputs.begin(), outputs.end(), [&](const auto& o) { return o.value == value; });
  values_.deliver(value, *target, output != outputs.end() ? "output " + output->name : scope_.graph.value(value).name);
  // Later readers of a view keep nothing alive but the output; of a result in another order, they read it as it is.
  if (view) values_.prefer_place(value, *target);
  else values_.add_place(value, *target);
}

}  // namespace monza::plan
