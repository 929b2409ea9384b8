#include <unordered_set>

#include "base/error.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ir {

namespace {
void check_origins(const Graph& graph, const OriginSet& origins) {
  if (origins.empty()) fail("it has no origin in the model");
  for (std::size_t i = 0; i < origins.size(); ++i)
    if (origins[i] >= graph.model().origins.size() || (i > 0 && origins[i] <= origins[i - 1]))
      fail("its origins are not a sorted set of the model's origins");
}

class Verifier {
 public:
  void run(const Graph& graph) {
    std::unordered_set<ValueId> defined;
    std::unordered_set<std::string> names;
    std::unordered_set<ValueId> made;
    for (ValueId id : graph.inputs()) {
      const Value& v = graph.value(id);
      defined.insert(id);
      if (v.producer != kNone || v.constant)
        fail("input '{}' of graph '{}' has a producer or a constant", v.name, graph.name());
    }
    for (ValueId id : graph.values()) {
      const Value& v = graph.value(id);
      if (v.id != id || !value_ids_.insert(id).second)
        fail("value id {} is not unique in graph '{}'", id, graph.name());
      if (!v.name.empty() && !names.insert(v.name).second)
        fail("two values of graph '{}' are named '{}'", graph.name(), v.name);
      try {
        check_origins(graph, v.origins);
      } catch (const Error& e) {
        throw e.at(fmt::format("value '{}' ({})", v.name, id));
      }
      if (v.constant) {
        if (v.producer != kNone) fail("value '{}' ({}) is a constant and a node's output", v.name, id);
        if (v.type.dtype != v.constant->dtype || v.type.shape != shape_of(*v.constant))
          fail("constant '{}' ({}) is declared {} but holds another type", v.name, id, to_string(v.type));
        defined.insert(id);
      } else if (v.producer == kNone && defined.count(id) == 0) {
        fail("value '{}' ({}) is no input and no constant, and no node makes it", v.name, id);
      }
    }
    for (NodeId id : graph.order()) {
      const Node& n = graph.node(id);
      try {
        check_node(graph, n, defined);
      } catch (const Error& e) {
        if (!e.where().empty()) throw;
        throw e.at(describe(graph, n));
      }
      for (ValueId v : n.outputs) {
        defined.insert(v);
        made.insert(v);
      }
    }
    for (ValueId id : graph.values())
      if (graph.value(id).producer != kNone && made.count(id) == 0)
        fail("value '{}' ({}) names a producer that does not make it", graph.value(id).name, id);
  }

 private:
  static SymShape shape_of(const Constant& c) {
    SymShape shape;
    for (int i = 0; i < c.shape.rank; ++i) shape.emplace_back(c.shape[i]);
    return shape;
  }

  void check_node(const Graph& graph, const Node& n, const std::unordered_set<ValueId>& defined) {
    if (n.op == nullptr) fail("it has no operator");
    if (!node_ids_.insert(n.id).second) fail("node id {} is not unique", n.id);
    check_origins(graph, n.origins);
    for (std::size_t i = 0; i < n.inputs.size(); ++i)
      if (n.inputs[i] != kNone && defined.count(n.inputs[i]) == 0)
        fail("input {} (value {}) is used before it is made", i, n.inputs[i]);
    for (std::size_t i = 0; i < n.outputs.size(); ++i) {
      const Value& v = graph.value(n.outputs[i]);
      if (v.producer != n.id || v.output_index != static_cast<int>(i) || defined.count(v.id) != 0)
        fail("output {} (value {}) is made twice or names another producer", i, v.id);
    }
    // Inference may set the input types of bodies; run again on a consistent graph it sets what is there.
    auto results = infer_node(const_cast<Graph&>(graph), const_cast<Node&>(n));
    for (std::size_t i = 0; i < n.outputs.size(); ++i) {
      const Value& v = graph.value(n.outputs[i]);
      if (v.type != results[i].type)
        fail("output {} carries the type {}, but inference gives {}", i, to_string(v.type), to_string(results[i].type));
    }
    for (std::size_t b = 0; b < n.bodies.size(); ++b) {
      if (n.bodies[b]->model_ptr() != graph.model_ptr()) fail("body {} belongs to another model", b);
      try {
        run(*n.bodies[b]);
      } catch (const Error& e) {
        throw e.at(fmt::format("body {} of {}", b, describe(graph, n)));
      }
    }
  }

  std::unordered_set<ValueId> value_ids_;
  std::unordered_set<NodeId> node_ids_;
};
}  // namespace

void verify(const Graph& graph) { Verifier().run(graph); }

}  // namespace monza::ir
