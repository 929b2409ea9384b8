// Reshapes in a row become one; reshapes move behind pointwise work, towards the next reshape and away from the
// products and convolutions that could take that work in.
#include "passes/pattern.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

bool is_reshape(const ir::Graph& graph, const ir::Node* node) {
  if (node == nullptr || !is_pure(*node) || node->op->aliases == nullptr || node->outputs.size() != 1) return false;
  const std::string_view name = node->op->name;
  return (name == "Reshape" || name == "Flatten" || name == "Squeeze" || name == "Unsqueeze") &&
         graph.value(node->outputs[0]).type.kind == ir::ValueKind::tensor;
}

/// Reshape(Reshape(x)) to Reshape(x).
bool merge(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Node& second = std::as_const(graph).node(id);
  const ir::Node* first = graph.producer(second.inputs[0]);
  if (!is_reshape(graph, &second) || !is_reshape(graph, first)) return false;
  const ir::ValueId x = first->inputs[0], old = second.outputs[0];
  const ir::Type from = graph.value(x).type, to = graph.value(old).type;
  const auto target = reshape_target(from.shape, to.shape);
  if (!target) return false;
  const ir::Node& merged = graph.insert_node(id, ir::get_op("Reshape"), {x}, ir::Attrs{{"shape", *target}}, 1,
                                             ir::merge(first->origins, second.origins));
  const ir::NodeId new_id = merged.id;
  const ir::ValueId replacement = merged.outputs[0];
  if (graph.value(replacement).type != to || !context.allow("merged two reshapes", graph, second)) {
    graph.remove_node(new_id);
    return false;
  }
  replace_value(graph, old, replacement);
  return true;
}

/// Pointwise(Reshape(x), scalars) to Reshape(Pointwise(x, scalars)).
bool sink(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Node& reshape = std::as_const(graph).node(id);
  if (!is_reshape(graph, &reshape)) return false;
  // Only behind something that may take the pointwise work in.
  const ir::Node* maker = graph.producer(reshape.inputs[0]);
  if (maker == nullptr) return false;
  const std::string_view made_by = maker->op->name;
  if (made_by != "MatMul" && made_by != "Conv" && !ir::has(maker->op->flags, ir::OpFlag::pointwise)) return false;
  const ir::Node* user = only_user(graph, reshape.outputs[0]);
  if (user == nullptr || !is_pure(*user) || !ir::has(user->op->flags, ir::OpFlag::pointwise) || user->outputs.size() != 1) return false;
  std::vector<ir::ValueId> inputs = user->inputs;
  int uses = 0;
  for (ir::ValueId& v : inputs) {
    if (v == reshape.outputs[0]) {
      v = reshape.inputs[0];
      ++uses;
    } else if (v != ir::kNone && !(scalar_value(graph, v) && graph.value(v).type.rank() == 0)) {
      return false;
    }
  }
  const ir::Type to = graph.value(user->outputs[0]).type;
  if (uses != 1 || to.shape != graph.value(reshape.outputs[0]).type.shape) return false;
  const auto target = reshape_target(graph.value(reshape.inputs[0]).type.shape, to.shape);
  if (!target) return false;
  const ir::NodeId user_id = user->id;
  const ir::ValueId old = user->outputs[0];
  const ir::Node& work = graph.insert_node(user_id, *user->op, inputs, user->attrs, 1, user->origins);
  const ir::NodeId work_id = work.id;
  const ir::ValueId worked = work.outputs[0];
  const ir::Node& after = graph.insert_node(user_id, ir::get_op("Reshape"), {worked}, ir::Attrs{{"shape", *target}}, 1, reshape.origins);
  if (graph.value(after.outputs[0]).type != to || !context.allow("moved behind pointwise work", graph, reshape)) {
    graph.remove_node(after.id);
    graph.remove_node(work_id);
    return false;
  }
  graph.node(work_id).precision = std::as_const(graph).node(user_id).precision;
  graph.node(work_id).device = std::as_const(graph).node(user_id).device;
  const ir::ValueId replacement = after.outputs[0];
  replace_value(graph, old, replacement);
  graph.remove_node(id);
  return true;
}

void run(ir::Graph& graph, PassContext& context) {
  bool changed = true;
  while (changed && context.open()) {
    changed = false;
    const std::vector<ir::NodeId> order = graph.order();
    for (ir::NodeId id : order) {
      if (!graph.has_node(id) || std::as_const(graph).node(id).inputs.empty()) continue;
      if (std::as_const(graph).node(id).inputs[0] == ir::kNone) continue;
      changed = merge(graph, context, id) || sink(graph, context, id) || changed;
    }
  }
}
}  // namespace

const Pass reshapes_pass{"reshapes", "merges reshapes and moves them behind pointwise work", run};
}  // namespace monza
