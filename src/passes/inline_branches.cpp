// An If whose condition is known at build is replaced by the nodes of the branch that is taken.
#include <unordered_map>
#include <unordered_set>

#include "passes/rewrite.h"

namespace monza {
namespace {

/// Copies the body's nodes in front of `before`, its inputs standing for `arguments`; the values of its outputs.
/// `names` are those of the graph's values.
std::vector<ir::ValueId> inline_body(ir::Graph& graph, ir::NodeId before, ir::Graph& body,
                                     const std::vector<ir::ValueId>& arguments, const ir::OriginSet& origins,
                                     std::unordered_set<std::string>& names) {
  auto name = [&](ir::ValueId to, const std::string& wanted) {
    if (!wanted.empty() && names.insert(wanted).second) graph.value(to).name = wanted;
  };
  std::unordered_map<ir::ValueId, ir::ValueId> moved;
  for (std::size_t i = 0; i < arguments.size(); ++i) moved[body.inputs()[i]] = arguments[i];
  for (ir::ValueId v : body.values()) {
    const ir::Value& value = std::as_const(body).value(v);
    if (!value.constant) continue;
    moved[v] = graph.add_constant({}, value.constant, value.origins);
    name(moved[v], value.name);
  }
  for (ir::NodeId id : body.order()) {
    ir::Node& n = body.node(id);
    std::vector<ir::ValueId> inputs;
    for (ir::ValueId v : n.inputs) inputs.push_back(v == ir::kNone ? v : moved.at(v));
    ir::Node& copy = graph.insert_node(before, *n.op, std::move(inputs), n.attrs, static_cast<int>(n.outputs.size()),
                                       ir::merge(n.origins, origins), std::move(n.bodies));
    copy.precision = n.precision;
    copy.device = n.device;
    const std::vector<ir::ValueId> outputs = copy.outputs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      moved[n.outputs[i]] = outputs[i];
      name(outputs[i], std::as_const(body).value(n.outputs[i]).name);
    }
  }
  std::vector<ir::ValueId> results;
  for (const auto& o : body.outputs()) results.push_back(moved.at(o.value));
  return results;
}

void run(ir::Graph& graph, PassContext& context) {
  std::unordered_set<std::string> names;
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (std::string_view(node.op->name) != "If" || node.bodies.size() != 2) continue;
    const auto& condition = graph.value(node.inputs[0]).constant;
    if (!condition || condition->numel() != 1) {
      context.near_miss("a known condition", graph, node, "its condition is only known at run time");
      continue;
    }
    const bool taken = ir::to_ints(*condition)[0] != 0;
    if (!context.allow(taken ? "took the first branch" : "took the second branch", graph, node)) return;
    const std::vector<ir::ValueId> arguments(node.inputs.begin() + 1, node.inputs.end()), outputs = node.outputs;
    if (names.empty())
      for (ir::ValueId v : graph.values()) names.insert(graph.value(v).name);
    const auto results = inline_body(graph, id, graph.body(id, taken ? 0 : 1), arguments, node.origins, names);
    for (std::size_t i = 0; i < outputs.size(); ++i) graph.replace_uses(outputs[i], results[i]);
    graph.remove_node(id);
  }
}
}  // namespace

const Pass inline_branches_pass{"inline_branches", "replaces an If whose condition is known by the branch it takes",
                                run};
}  // namespace monza
