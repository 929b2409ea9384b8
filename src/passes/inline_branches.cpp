// An If whose condition is known at build is replaced by the nodes of the branch that is taken.
#include <unordered_map>
#include <unordered_set>

#include "passes/rewrite.h"

namespace monza {
namespace {

/// A body's nodes in the graph around it.
struct Inlined {
  std::vector<ir::ValueId> results;                        ///< what stands for the body's outputs
  std::vector<std::pair<ir::NodeId, ir::NodeId>> nodes;    ///< of the body, of the graph
  std::vector<std::pair<ir::ValueId, std::string>> names;  ///< that its values bring along
};

/// Copies the body's nodes in front of `before`, its inputs standing for `arguments`. What was copied when one is
/// refused is in `inlined`.
void inline_body(ir::Graph& graph, ir::NodeId before, ir::Graph& body, const std::vector<ir::ValueId>& arguments,
                 const ir::OriginSet& origins, Inlined& inlined) {
  auto name = [&](ir::ValueId to, const std::string& wanted) {
    if (!wanted.empty()) inlined.names.emplace_back(to, wanted);
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
    const ir::Node& copy =
        insert_node(graph, before, *n.op, std::move(inputs), n.attrs, static_cast<int>(n.outputs.size()),
                    {ir::merge(n.origins, origins), n.constraint}, std::move(n.bodies));
    inlined.nodes.emplace_back(id, copy.id);
    const std::vector<ir::ValueId> outputs = copy.outputs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      moved[n.outputs[i]] = outputs[i];
      name(outputs[i], std::as_const(body).value(n.outputs[i]).name);
    }
  }
  for (const auto& o : body.outputs()) inlined.results.push_back(moved.at(o.value));
}

/// Takes the copies out again; the bodies of inner nodes go back to where they were.
void take_back(ir::Graph& graph, ir::Graph& body, const Inlined& inlined) {
  for (auto it = inlined.nodes.rbegin(); it != inlined.nodes.rend(); ++it) {
    body.node(it->first).bodies = std::move(graph.node(it->second).bodies);
    graph.remove_node(it->second);
  }
  graph.remove_unused_values();
  body.infer_all();  // types in the inner bodies are those of the copies
}

void run_inline_branches(ir::Graph& graph, PassContext& context) {
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
    if (!context.open()) return;
    const char* what = taken ? "took the first branch" : "took the second branch";
    const std::vector<ir::ValueId> arguments(node.inputs.begin() + 1, node.inputs.end()), outputs = node.outputs;
    ir::Graph& body = graph.body(id, taken ? 0 : 1);
    Inlined inlined;
    try {
      inline_body(graph, id, body, arguments, node.origins, inlined);
    } catch (const Error& error) {
      take_back(graph, body, inlined);
      context.near_miss(what, graph, node,
                        "a node of it is refused: " + error.fact().substr(0, error.fact().find('\n')));
      continue;
    }
    std::vector<std::pair<ir::ValueId, ir::ValueId>> exchanged;
    for (std::size_t i = 0; i < outputs.size(); ++i) exchanged.emplace_back(outputs[i], inlined.results[i]);
    if (!exchange(graph, context, what, id, exchanged)) {
      take_back(graph, body, inlined);
      continue;
    }
    context.allow(what, graph, std::as_const(graph).node(id));
    graph.remove_node(id);
    if (names.empty())
      for (ir::ValueId v : graph.values()) names.insert(graph.value(v).name);
    for (const auto& [value, name] : inlined.names)
      if (graph.has_value(value) && names.insert(name).second) graph.value(value).name = name;
  }
}
}  // namespace

const Pass inline_branches_pass{"inline_branches", "replaces an If whose condition is known by the branch it takes",
                                run_inline_branches};
}  // namespace monza
