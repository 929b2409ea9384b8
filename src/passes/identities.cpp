// Nodes that give back what they get: found by the operators' own alias facts, or by a few rules of arithmetic.
#include "passes/pattern.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

bool zeros(const std::vector<ir::Expr>& start) {
  for (const ir::Expr& e : start)
    if (!(e == ir::Expr(0))) return false;
  return true;
}

/// The first output is input i seen through an identical view: Identity, Reshape to the same shape, a whole Slice,
/// Transpose that moves nothing, Concat or Split of one part, Expand to the present shape.
int identical_input(const ir::Graph& graph, const ir::Node& node) {
  const ir::Type& type = graph.value(node.outputs[0]).type;
  auto same_type = [&](int i) {
    return i < static_cast<int>(node.inputs.size()) && node.inputs[static_cast<std::size_t>(i)] != ir::kNone &&
           graph.value(node.inputs[static_cast<std::size_t>(i)]).type == type;
  };
  if (node.outputs.size() != 1 || type.kind == ir::ValueKind::state) return -1;
  const std::string_view name = node.op->name;
  if ((name == "Identity" || name == "Cast" || name == "BitCast") && same_type(0)) return 0;
  if (name == "Mul" || name == "Div" || name == "Sub") {
    const double neutral = name == "Sub" ? 0 : 1;
    auto is_neutral = [&](std::size_t i) { return scalar_value(graph, node.inputs[i]) == neutral; };
    if (is_neutral(1) && same_type(0)) return 0;
    if (name == "Mul" && is_neutral(0) && same_type(1)) return 1;
  }
  if (node.op->aliases == nullptr) return -1;
  std::vector<ir::Alias> aliases;
  node.op->aliases({graph, node}, aliases);
  for (const ir::Alias& a : aliases) {
    if (a.output != 0 || !same_type(a.input)) continue;
    if (a.kind == ir::Alias::Kind::reshape) return a.input;
    if (!zeros(a.start)) continue;
    if (a.kind == ir::Alias::Kind::placement) return a.input;
    bool identity = a.axes.size() == type.rank();
    for (std::size_t i = 0; i < a.axes.size(); ++i)
      identity = identity && a.axes[i].source == static_cast<int>(i) && a.axes[i].step == 1;
    if (identity) return a.input;
  }
  return -1;
}

void run_identities(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (!is_pure(node) || node.outputs.empty()) continue;
    const int i = identical_input(graph, node);
    if (i < 0) continue;
    if (!context.allow("changed nothing", graph, node)) return;
    replace_value(graph, node.outputs[0], node.inputs[static_cast<std::size_t>(i)]);
  }
}
}  // namespace

const Pass identities_pass{"identities", "removes nodes that give back their input", run_identities, true};
}  // namespace monza
