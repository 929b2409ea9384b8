// Equal constants become one, and so do nodes of the same operator, inputs and attributes.
#include <span>
#include <type_traits>
#include <unordered_map>
#include <variant>

#include "base/hash.h"
#include "passes/rewrite.h"

namespace monza {
namespace {
/// Bounded: constants that agree in shape, head and tail are compared in full where it matters.
std::uint64_t hash_of(const ir::Constant& c, std::uint64_t key) {
  const std::size_t part = std::min<std::size_t>(c.bytes.size(), 4096);
  key = hash64(c.bytes.first(part), key * 31 + static_cast<std::uint64_t>(c.dtype));
  key ^= hash64(c.bytes.last(part), c.bytes.size());
  key = hash64(std::as_bytes(std::span(c.shape.dim, static_cast<std::size_t>(c.shape.rank))), key);
  for (std::size_t i = 0; i < c.strings.size() && i < 64; ++i)
    key = hash64(std::as_bytes(std::span(c.strings[i])), key);
  return key;
}

bool same(const ir::Node& a, const ir::Node& b) {
  return a.op == b.op && a.inputs == b.inputs && a.outputs.size() == b.outputs.size() && a.constraint == b.constraint &&
         a.attrs == b.attrs;
}

/// Equal attributes give equal numbers; tensors count by their type and begin.
std::uint64_t hash_of(const ir::Attrs& attrs) {
  std::uint64_t key = attrs.all().size();
  const auto mix = [&](const void* data, std::size_t bytes) {
    key = hash64({static_cast<const std::byte*>(data), bytes}, key);
  };
  for (const auto& [name, value] : attrs.all()) {
    mix(name.data(), name.size());
    std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_arithmetic_v<T>) mix(&v, sizeof v);
          else if constexpr (std::is_same_v<T, std::string>) mix(v.data(), v.size());
          else if constexpr (std::is_same_v<T, std::vector<std::string>>)
            for (const std::string& s : v) mix(s.data(), s.size());
          else if constexpr (std::is_same_v<T, std::shared_ptr<const ir::Constant>>) key = v ? hash_of(*v, key) : key;
          else mix(v.data(), v.size() * sizeof v[0]);
        },
        value);
  }
  return key;
}

void merge_constants(ir::Graph& graph) {
  std::unordered_map<std::uint64_t, std::vector<ir::ValueId>> seen;
  for (ir::ValueId id : graph.values()) {
    const ir::Value& v = graph.value(id);
    if (!v.constant || graph.is_output(id) || graph.users(id).empty()) continue;
    auto& list = seen[hash_of(*v.constant, 0)];
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

void run_common_subexpressions(ir::Graph& graph, PassContext& context) {
  merge_constants(graph);
  std::unordered_map<std::size_t, std::vector<ir::NodeId>> seen;
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (!is_pure(node)) continue;
    std::size_t key = std::hash<const void*>{}(node.op) ^ hash_of(node.attrs);
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

const Pass common_subexpressions_pass{"common_subexpressions", "computes equal expressions once",
                                      run_common_subexpressions};
}  // namespace monza
