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
bool merge_reshapes(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Node& second = std::as_const(graph).node(id);
  const ir::Node* first = graph.producer(second.inputs[0]);
  if (!is_reshape(graph, &second) || !is_reshape(graph, first)) return false;
  const ir::ValueId x = first->inputs[0], old = second.outputs[0];
  const ir::Type from = graph.value(x).type, to = graph.value(old).type;
  const auto target = reshape_target(from.shape, to.shape);
  if (!target) return false;
  const std::optional<Provenance> both_nodes = both(provenance_of(*first), provenance_of(second));
  if (!both_nodes) {
    context.near_miss("two reshapes", graph, second, kNothingInCommon);
    return false;
  }
  const ir::Node& merged =
      insert_node(graph, id, ir::get_op("Reshape"), {x}, ir::Attrs{{"shape", *target}}, 1, *both_nodes);
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
bool sink_reshape(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Node& reshape = std::as_const(graph).node(id);
  if (!is_reshape(graph, &reshape)) return false;
  // Only behind something that may take the pointwise work in.
  const ir::Node* maker = graph.producer(reshape.inputs[0]);
  if (maker == nullptr) return false;
  const std::string_view made_by = maker->op->name;
  if (made_by != "MatMul" && made_by != "Conv" && !ir::has(maker->op->flags, ir::OpFlag::pointwise)) return false;
  const ir::Node* user = only_user(graph, reshape.outputs[0]);
  if (user == nullptr || !is_pure(*user) || !ir::has(user->op->flags, ir::OpFlag::pointwise) ||
      user->outputs.size() != 1)
    return false;
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
  const ir::Node& work = insert_node(graph, user_id, *user->op, inputs, user->attrs, 1, provenance_of(*user));
  const ir::NodeId work_id = work.id;
  const ir::ValueId worked = work.outputs[0];
  const ir::Node& after = insert_node(graph, user_id, ir::get_op("Reshape"), {worked}, ir::Attrs{{"shape", *target}}, 1,
                                      provenance_of(reshape));
  if (graph.value(after.outputs[0]).type != to || !context.allow("moved behind pointwise work", graph, reshape)) {
    graph.remove_node(after.id);
    graph.remove_node(work_id);
    return false;
  }
  const ir::ValueId replacement = after.outputs[0];
  replace_value(graph, old, replacement);
  graph.remove_node(id);
  return true;
}

/// A reshape [b, h, m, n] to [b * h, m, n]: batches merged, matrices as they were.
const ir::Node* batch_merge(const ir::Graph& graph, ir::ValueId v) {
  const ir::Node* n = graph.producer(v);
  if (!is_reshape(graph, n)) return nullptr;
  const ir::SymShape &from = graph.value(n->inputs[0]).type.shape, &to = graph.value(v).type.shape;
  if (from.size() != 4 || to.size() != 3 || !(from[2] == to[1]) || !(from[3] == to[2]) || !(from[0] * from[1] == to[0]))
    return nullptr;
  return n;
}

/// Exporters merge batch and heads around the products of attention. Behind the node instead, the reshape meets the one
/// that splits them again:  transpose, product and softmax of merged batches = merged batches of what they give.
bool unmerge(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Graph& g = graph;
  const ir::Node& node = g.node(id);
  const std::string_view name = node.op->name;
  if (node.inputs.empty() || node.inputs[0] == ir::kNone || node.outputs.size() != 1) return false;
  const ir::Node* merged = batch_merge(g, node.inputs[0]);
  if (merged == nullptr) return false;
  const ir::SymShape from = g.value(merged->inputs[0]).type.shape;
  ir::Attrs attrs = node.attrs;
  std::vector<ir::ValueId> inputs{merged->inputs[0]};
  std::optional<Provenance> reshapes = provenance_of(*merged);  // of all that move behind the node
  if (name == "Transpose") {
    if (attrs_of(node).ints("perm") != std::vector<std::int64_t>{0, 2, 1}) return false;
    attrs.set("perm", std::vector<std::int64_t>{0, 1, 3, 2});
  } else if (name == "Softmax") {
    const std::int64_t axis = attrs_of(node).i("axis");
    if ((axis != -1 && axis != 2) || attrs_of(node).i("flatten") != 0) return false;
    attrs.set("axis", std::int64_t{-1});
  } else if (name == "MatMul") {
    if (node.inputs.size() != 2) return false;
    const ir::Node* other = batch_merge(g, node.inputs[1]);
    if (other == nullptr) return false;
    const ir::SymShape& right = g.value(other->inputs[0]).type.shape;
    if (!(right[0] == from[0]) || !(right[1] == from[1])) return false;
    inputs.push_back(other->inputs[0]);
    reshapes = both(*reshapes, provenance_of(*other));
    if (!reshapes) {
      context.near_miss("reshapes of a product's matrices", graph, node, kNothingInCommon);
      return false;
    }
  } else {
    return false;
  }
  const ir::Type to = g.value(node.outputs[0]).type;
  const ir::ValueId old = node.outputs[0];
  const ir::Node& work = insert_node(graph, id, *node.op, inputs, attrs, 1, provenance_of(node));
  const ir::NodeId work_id = work.id;
  const ir::ValueId worked = work.outputs[0];
  const auto target = reshape_target(g.value(worked).type.shape, to.shape);
  ir::ValueId after = ir::kNone;
  if (target)
    after =
        insert_node(graph, id, ir::get_op("Reshape"), {worked}, ir::Attrs{{"shape", *target}}, 1, *reshapes).outputs[0];
  if (!target || g.value(after).type != to || !context.allow("moved behind work on matrices", graph, node)) {
    if (target) graph.remove_node(g.producer(after)->id);
    graph.remove_node(work_id);
    return false;
  }
  replace_value(graph, old, after);
  return true;
}

void run_reshapes(ir::Graph& graph, PassContext& context) {
  bool changed = true;
  while (changed && context.open()) {
    changed = false;
    const std::vector<ir::NodeId> order = graph.order();
    for (ir::NodeId id : order) {
      if (!graph.has_node(id) || std::as_const(graph).node(id).inputs.empty()) continue;
      if (std::as_const(graph).node(id).inputs[0] == ir::kNone) continue;
      bool moved = attempt(graph, context, "moves behind work", id, [&] {
        return merge_reshapes(graph, context, id) || sink_reshape(graph, context, id) || unmerge(graph, context, id);
      });
      changed |= moved;
      // What was put behind work moves on at once: sweep by sweep a long chain would take a sweep for every node.
      while (moved && context.open()) {
        const ir::NodeId last = graph.model().next_node - 1;
        moved = graph.has_node(last) && !std::as_const(graph).node(last).inputs.empty() &&
                attempt(graph, context, "moves behind work", last, [&] { return sink_reshape(graph, context, last); });
      }
    }
  }
}
}  // namespace

const Pass reshapes_pass{"reshapes", "merges reshapes and moves them behind pointwise work and matrix products",
                         run_reshapes};
}  // namespace monza
