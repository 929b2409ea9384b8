// Equal constants become one, and so do nodes of the same operator, inputs and attributes.
#include <unordered_map>

#include "base/hash.h"
#include "passes/rewrite.h"

namespace monza {
namespace {
bool same(const ir::Node& a, const ir::Node& b) {
  return a.op == b.op && a.inputs == b.inputs && a.outputs.size() == b.outputs.size() && a.precision == b.precision &&
         a.device == b.device && a.attrs == b.attrs;
}

void merge_constants(ir::Graph& graph) {
  std::unordered_map<std::uint64_t, std::vector<ir::ValueId>> seen;
  for (ir::ValueId id : graph.values()) {
    const ir::Value& v = graph.value(id);
    if (!v.constant || graph.is_output(id) || graph.users(id).empty()) continue;
    // Hashing is bounded: weights that agree in head and tail are compared in full below.
    const auto bytes = v.constant->bytes;
    const std::size_t part = std::min<std::size_t>(bytes.size(), 4096);
    std::uint64_t key = hash64(bytes.first(part), static_cast<std::uint64_t>(v.type.dtype) * 31 + bytes.size());
    key ^= hash64(bytes.last(part), 7);
    auto& list = seen[key];
    bool merged = false;
    for (ir::ValueId other : list) {
      if (!ir::same_content(*graph.value(other).constant, *v.constant)) continue;
      graph.replace_uses(id, other);
      merged = true;
      break;
    }
    if (!merged) list.push_back(id);
  }
}

void run(ir::Graph& graph, PassContext& context) {
  merge_constants(graph);
  std::unordered_map<std::size_t, std::vector<ir::NodeId>> seen;
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (!is_pure(node)) continue;
    std::size_t key = std::hash<const void*>{}(node.op);
    for (ir::ValueId v : node.inputs) key = key * 1000003u + v;
    auto& list = seen[key];
    bool merged = false;
    for (ir::NodeId other_id : list) {
      const ir::Node& other = std::as_const(graph).node(other_id);
      if (!same(node, other)) continue;
      if (!context.allow("merged with its twin", graph, node)) return;
      const std::vector<ir::ValueId> from = node.outputs, to = other.outputs;
      for (std::size_t i = 0; i < from.size(); ++i) graph.replace_uses(from[i], to[i]);
      graph.remove_node(id);
      merged = true;
      break;
    }
    if (!merged) list.push_back(id);
  }
}
}  // namespace

const Pass common_subexpressions_pass{"common_subexpressions", "computes equal expressions once", run};
}  // namespace monza
