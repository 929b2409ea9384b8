// Transposes in a row become one or none; they move behind pointwise work to meet.
#include "passes/pattern.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

bool is_transpose(const ir::Node* node) { return node != nullptr && std::string_view(node->op->name) == "Transpose"; }

std::vector<std::int64_t> perm_of(const ir::Node& node) { return attrs_of(node).ints("perm"); }

/// Transpose(Transpose(x)) to one transpose; a transpose that moves nothing is left to the identity pass.
bool merge_transposes(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Node& second = std::as_const(graph).node(id);
  if (!is_transpose(&second)) return false;
  const ir::Node* first = graph.producer(second.inputs[0]);
  if (!is_transpose(first)) return false;
  const auto inner = perm_of(*first), outer = perm_of(second);
  std::vector<std::int64_t> perm;
  bool identity = true;
  for (std::size_t i = 0; i < outer.size(); ++i) {
    perm.push_back(inner[static_cast<std::size_t>(outer[i])]);
    identity = identity && perm.back() == static_cast<std::int64_t>(i);
  }
  const std::optional<Provenance> both_nodes = both(provenance_of(*first), provenance_of(second));
  if (!identity && !both_nodes) {
    context.near_miss("two transposes", graph, second, kNothingInCommon);
    return false;
  }
  if (!context.allow(identity ? "cancelled two transposes" : "merged two transposes", graph, second)) return false;
  const ir::ValueId x = first->inputs[0], old = second.outputs[0];
  if (identity) {
    replace_value(graph, old, x);
    return true;
  }
  const ir::Node& merged = insert_node(graph, id, *second.op, {x}, ir::Attrs{{"perm", perm}}, 1, *both_nodes);
  replace_value(graph, old, merged.outputs[0]);
  return true;
}

/// Pointwise(Transpose(x), ...) to Transpose(Pointwise(x, ...)) where the other operands are constants or the same
/// transpose.
bool sink_transpose(ir::Graph& graph, PassContext& context, ir::NodeId id) {
  const ir::Node& transpose = std::as_const(graph).node(id);
  if (!is_transpose(&transpose)) return false;
  const auto perm = perm_of(transpose);
  const ir::Node* user = only_user(graph, transpose.outputs[0]);
  if (user == nullptr || !is_pure(*user) || !ir::has(user->op->flags, ir::OpFlag::pointwise) ||
      user->outputs.size() != 1)
    return false;
  // PRelu broadcasts its slope to the input alone and quantisation names an axis: both would have to follow.
  const std::string_view name = user->op->name;
  if (name == "PRelu" || user->attrs.has("axis")) return false;
  if (graph.value(user->outputs[0]).type.shape != graph.value(transpose.outputs[0]).type.shape) return false;
  std::vector<std::int64_t> inverse(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i)
    inverse[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
  std::vector<ir::ValueId> inputs = user->inputs;
  std::vector<std::pair<std::size_t, std::shared_ptr<const ir::Constant>>> moved;
  std::vector<ir::NodeId> others;
  std::optional<Provenance> transposes = provenance_of(transpose);  // of all that move behind the node
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ir::ValueId v = inputs[i];
    if (v == ir::kNone) continue;
    const ir::Value& value = graph.value(v);
    const ir::Node* maker = graph.producer(v);
    if (is_transpose(maker) && perm_of(*maker) == perm && only_user(graph, v) == user) {
      inputs[i] = maker->inputs[0];
      if (maker->id == id) continue;
      others.push_back(maker->id);
      transposes = both(*transposes, provenance_of(*maker));
      if (!transposes) {
        context.near_miss("transposes of operands", graph, *user, kNothingInCommon);
        return false;
      }
    } else if (value.constant) {
      if (value.constant->numel() == 1 && value.type.rank() <= 1) continue;
      Shape shape;
      shape.rank = static_cast<std::int32_t>(perm.size());
      for (int k = 0; k < shape.rank; ++k) {
        const int source = k - (shape.rank - value.constant->shape.rank);
        shape.dim[k] = source >= 0 ? value.constant->shape[source] : 1;
      }
      std::int64_t& left = context.fold_budget().all_bytes;
      if (left < 0) return false;
      left -= static_cast<std::int64_t>(value.constant->bytes.size());
      auto constant = transpose_constant(*reshape_constant(value.constant, shape), inverse);
      if (!constant) return false;
      moved.emplace_back(i, std::move(constant));
    } else {
      return false;
    }
  }
  if (!context.allow("moved behind pointwise work", graph, transpose)) return false;
  for (auto& [i, constant] : moved)
    inputs[i] = graph.add_constant({}, std::move(constant), graph.value(inputs[i]).origins);
  const ir::NodeId user_id = user->id;
  const ir::ValueId old = user->outputs[0];
  const ir::ValueId worked =
      insert_node(graph, user_id, *user->op, inputs, user->attrs, 1, provenance_of(*user)).outputs[0];
  const ir::ValueId after =
      insert_node(graph, user_id, ir::get_op("Transpose"), {worked}, ir::Attrs{{"perm", perm}}, 1, *transposes)
          .outputs[0];
  replace_value(graph, old, after);
  graph.remove_node(id);
  for (ir::NodeId other : others) graph.remove_node(other);
  return true;
}

void run_transposes(ir::Graph& graph, PassContext& context) {
  bool changed = true;
  while (changed && context.open()) {
    changed = false;
    const std::vector<ir::NodeId> order = graph.order();
    for (ir::NodeId id : order) {
      if (!graph.has_node(id)) continue;
      bool moved = attempt(graph, context, "moves behind work", id,
                           [&] { return merge_transposes(graph, context, id) || sink_transpose(graph, context, id); });
      changed |= moved;
      // What was put behind work moves on at once: sweep by sweep a long chain would take a sweep for every node.
      while (moved && context.open()) {
        const ir::NodeId last = graph.model().next_node - 1;
        moved = graph.has_node(last) && attempt(graph, context, "moves behind work", last,
                                                [&] { return sink_transpose(graph, context, last); });
      }
    }
  }
}
}  // namespace

const Pass transposes_pass{"transposes", "cancels and merges transposes and moves them behind pointwise work",
                           run_transposes};
}  // namespace monza
