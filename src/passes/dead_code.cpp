// Nodes that nothing reads go.
#include "passes/rewrite.h"

namespace monza {
namespace {
void run_dead_code(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const ir::Node& node = std::as_const(graph).node(*it);
    if (ir::has(node.op->flags, ir::OpFlag::effect)) continue;
    bool used = false;
    for (ir::ValueId v : node.outputs) used = used || graph.is_used(v);
    if (used) continue;
    if (!context.allow("removed", graph, node)) return;
    graph.remove_node(*it);
  }
  graph.remove_unused_values();
}
}  // namespace

const Pass dead_code_pass{"dead_code", "removes nodes that nothing reads", run_dead_code};
}  // namespace monza
