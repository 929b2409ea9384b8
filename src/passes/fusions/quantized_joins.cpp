// Nodes of several inputs or outputs that only move elements do so as integers where all have one quantisation:
//   Q(Concat(DQ(a), DQ(b), ...)) = Concat(a, b, ...),  Q(Split(DQ(x))[i]) = Split(x)[i]
#include <algorithm>
#include <string_view>

#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

bool is_op(const ir::Node* n, std::string_view op) { return n != nullptr && op == n->op->name; }

/// "" if the node maps between floats and `type` as `first` does, with one scale, or why not.
std::string same_quantisation(const ir::Graph& g, const ir::Node& first, const ir::Node& node, DType type) {
  if (type != DType::u8 && type != DType::i8) return "it is not quantised to 8 bits";
  if (!(ir::product(g.value(node.inputs[1]).type.shape) == ir::Expr(1))) return "it is quantised per channel";
  if (type != g.value(first.inputs[0]).type.dtype) return "the element type changes";
  if (!same_number(g, first.inputs[1], node.inputs[1]) || !same_number(g, operand(first, 2), operand(node, 2)))
    return "scale or zero point change";
  return "";
}

class Join {
 public:
  Join(ir::Graph& graph, ir::NodeId id) : graph_(graph), node_(std::as_const(graph).node(id)) {
    const bool concat = is_op(&node_, "Concat");
    for (std::size_t i = 0; i < (concat ? node_.inputs.size() : 1); ++i)
      dequantized_.push_back(graph.producer(node_.inputs[i]));
  }

  bool reads_integers() const {
    return std::all_of(dequantized_.begin(), dequantized_.end(),
                       [](const ir::Node* n) { return is_op(n, "DequantizeLinear"); });
  }

  /// "" if it can be done on integers, or why not.
  std::string refusal() const {
    const ir::Node& first = *dequantized_[0];
    for (const ir::Node* dq : dequantized_)
      if (auto why = same_quantisation(graph_, first, *dq, graph_.value(dq->inputs[0]).type.dtype); !why.empty())
        return why;
    for (const ir::ValueId v : node_.outputs) {
      if (graph_.is_output(v)) return "its result is an output";
      for (const ir::NodeId user : graph_.users(v)) {
        const ir::Node& q = std::as_const(graph_).node(user);
        if (!is_op(&q, "QuantizeLinear") || q.inputs[0] != v) return "its result is read as floats, too";
        if (auto why = same_quantisation(graph_, first, q, graph_.value(q.outputs[0]).type.dtype); !why.empty())
          return why;
      }
    }
    return "";
  }

  void replace() {
    std::vector<ir::ValueId> inputs = node_.inputs;
    for (std::size_t i = 0; i < dequantized_.size(); ++i) inputs[i] = dequantized_[i]->inputs[0];
    const ir::NodeId old = node_.id;
    const std::vector<ir::ValueId> floats = node_.outputs;
    std::vector<ir::NodeId> unread;
    for (const ir::Node* dq : dequantized_) unread.push_back(dq->id);
    ir::Node& moved = graph_.insert_node(old, *node_.op, std::move(inputs), node_.attrs,
                                         static_cast<int>(floats.size()), node_.origins);
    moved.constraint = node_.constraint;
    const std::vector<ir::ValueId> integers = moved.outputs;
    for (std::size_t i = 0; i < floats.size(); ++i)
      for (const ir::NodeId q : graph_.users(floats[i]))
        replace_value(graph_, std::as_const(graph_).node(q).outputs[0], integers[i]);
    graph_.remove_node(old);
    for (const ir::NodeId dq : unread)
      if (graph_.has_node(dq) && !graph_.is_used(std::as_const(graph_).node(dq).outputs[0])) graph_.remove_node(dq);
  }

 private:
  ir::Graph& graph_;
  const ir::Node& node_;
  std::vector<const ir::Node*> dequantized_;
};

void fuse_quantized_joins(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (const ir::NodeId id : order) {
    if (!graph.has_node(id)) continue;
    const ir::Node& node = std::as_const(graph).node(id);
    if (!is_op(&node, "Concat") && !is_op(&node, "Split")) continue;
    Join join(graph, id);
    if (!join.reads_integers()) continue;
    const std::string what = message("Q({}(DQ(x)))", node.op->name);
    if (const std::string why = join.refusal(); !why.empty()) {
      context.near_miss(what, graph, node, why);
      continue;
    }
    if (!context.allow(what, graph, node)) return;
    join.replace();
  }
}

}  // namespace

const Pass quantized_joins_pass{"fuse_quantized_joins",
                                "Concat and Split move integers where all they touch has one quantisation",
                                fuse_quantized_joins};
}  // namespace monza
