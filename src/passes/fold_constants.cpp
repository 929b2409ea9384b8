// Nodes whose inputs are all constants run now, on the reference kernels.
#include "passes/evaluate.h"
#include "passes/rewrite.h"

namespace monza {
namespace {
bool is_dequantize(const ir::Node& node) { return std::string_view(node.op->name) == "DequantizeLinear"; }
bool folds(const ir::Node& node) { return !ir::has(node.op->flags, ir::OpFlag::no_fold); }

/// Evaluates the pure nodes that `wanted` names and whose inputs are all constants.
void fold(ir::Graph& graph, PassContext& context, bool (*wanted)(const ir::Node&)) {
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (!is_pure(node) || !wanted(node)) continue;
    bool constant = true;
    for (ir::ValueId v : node.inputs) constant = constant && (v == ir::kNone || graph.value(v).constant != nullptr);
    if (!constant) continue;
    // Inputs that became constants in this pass may say more of the results' shapes: extents that a kernel would have
    // reported are numbers then, and its parameters say that it reports none.
    graph.infer(id);
    Evaluator evaluator;
    const std::string refusal = evaluator.run(graph, node, context.fold_budget());
    if (!refusal.empty()) {
      context.near_miss("constant inputs", graph, node, refusal);
      continue;
    }
    if (!context.allow("evaluated", graph, node)) return;
    const std::vector<ir::ValueId> outputs = node.outputs;
    const ir::OriginSet origins = node.origins;
    for (ir::ValueId v : outputs) {
      const bool last = v == outputs.back();
      const ir::ValueId c = graph.add_constant({}, evaluator.values.at(v), origins);
      const std::string name = graph.value(v).name;
      graph.replace_uses(v, c);
      if (last) graph.remove_node(id);
      if (last) graph.value(c).name = name;
    }
  }
}
void run_fold_constants(ir::Graph& graph, PassContext& context) { fold(graph, context, folds); }
void run_dequantized(ir::Graph& graph, PassContext& context) { fold(graph, context, is_dequantize); }
}  // namespace

const Pass fold_dequantized_pass{"fold_dequantized", "evaluates dequantised weights that no integer kernel has taken",
                                 run_dequantized};
const Pass fold_constants_pass{"fold_constants", "evaluates nodes whose inputs are all constants", run_fold_constants,
                               true};
}  // namespace monza
