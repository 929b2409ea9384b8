// What a Loop or Scan carries unchanged through its iterations is no state: it becomes a capture, which is not copied
// each time, and what is captured and constant stands in the body, where weights can be packed and folded. Exporters
// of while loops carry every tensor that their body reads.
#include "passes/loop_invariants.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "passes/rewrite.h"

namespace monza {
namespace {

/// Which of a body's inputs and outputs are what.
struct Places {
  std::size_t first_in, first_out, carried, scanned;
  explicit Places(const ir::Node& node) {
    const bool scan = std::string_view(node.op->name) == "Scan";
    first_in = scan ? 0 : 2;
    first_out = scan ? 0 : 1;
    carried = static_cast<std::size_t>(ir::attrs_of(node).i("carried"));
    scanned = scan ? static_cast<std::size_t>(ir::attrs_of(node).i("scanned")) : 0;
  }
  bool is_carried(std::size_t input) const { return input >= first_in && input < first_in + carried; }
  bool is_capture(std::size_t input) const { return input >= first_in + carried + scanned; }
};

bool is_invariant(const ir::Graph& body, const Places& at, std::size_t k) {
  return body.outputs()[at.first_out + k].value == body.inputs()[at.first_in + k];
}

/// A body made anew, and where its nodes came from.
struct Made {
  std::unique_ptr<ir::Graph> body;
  std::vector<ir::ValueId> node_inputs;
  std::vector<std::pair<ir::NodeId, ir::NodeId>> nodes;  ///< of the old body, of the new one
};

Made make_body(const ir::Graph& graph, const ir::Node& node, ir::Graph& body, const Places& at) {
  Made made{std::make_unique<ir::Graph>(graph.model_ptr(), body.name()), {}, {}};
  ir::Graph& to = *made.body;
  std::unordered_map<ir::ValueId, ir::ValueId> now;
  const auto take = [&](std::size_t i) {
    const ir::ValueId outside = node.inputs[i];
    const ir::Value& value = std::as_const(body).value(body.inputs()[i]);
    const auto constant = outside == ir::kNone ? nullptr : graph.value(outside).constant;
    if ((at.is_capture(i) || at.is_carried(i)) && constant != nullptr && !value.constant) {
      // A carried constant that changes is the first state only.
      if (at.is_capture(i) || is_invariant(body, at, i - at.first_in)) {
        now[body.inputs()[i]] = to.add_constant(value.name, constant, value.origins);
        return;
      }
    }
    const ir::ValueId input = to.add_input(value.name, value.type, value.origins);
    to.value(input).content = value.content;
    now[body.inputs()[i]] = input;
    made.node_inputs.push_back(outside);
  };
  std::vector<std::size_t> hoisted;
  for (std::size_t i = 0; i < body.inputs().size(); ++i)
    if (at.is_carried(i) && is_invariant(body, at, i - at.first_in)) hoisted.push_back(i);
    else take(i);
  for (const std::size_t i : hoisted) take(i);

  const auto value_of = [&](ir::ValueId v) {
    if (v == ir::kNone) return v;
    if (const auto it = now.find(v); it != now.end()) return it->second;
    const ir::Value& value = std::as_const(body).value(v);
    return now[v] = to.add_constant(value.name, value.constant, value.origins);
  };
  for (const ir::NodeId id : std::vector<ir::NodeId>(body.order())) {
    ir::Node& n = body.node(id);
    std::vector<ir::ValueId> inputs;
    std::vector<std::string> names;
    for (const ir::ValueId v : n.inputs) inputs.push_back(value_of(v));
    for (const ir::ValueId v : n.outputs) names.push_back(std::as_const(body).value(v).name);
    const ir::Node& copy = to.add_node(*n.op, std::move(inputs), n.attrs, static_cast<int>(n.outputs.size()), n.origins,
                                       std::move(n.bodies), std::move(names));
    made.nodes.emplace_back(id, copy.id);
    for (std::size_t o = 0; o < n.outputs.size(); ++o) now[n.outputs[o]] = copy.outputs[o];
    to.constrain(copy.id, n.constraint);
  }
  for (std::size_t o = 0; o < body.outputs().size(); ++o)
    if (o < at.first_out || o >= at.first_out + at.carried || !is_invariant(body, at, o - at.first_out))
      to.add_output(body.outputs()[o].name, value_of(body.outputs()[o].value));
  return made;
}

/// Whether the node has anything that make_body would change.
bool has_invariants(const ir::Graph& graph, const ir::Node& node, const Places& at) {
  const ir::Graph& body = *node.bodies[0];
  for (std::size_t k = 0; k < at.carried; ++k)
    if (is_invariant(body, at, k)) return true;
  for (std::size_t i = at.first_in + at.carried + at.scanned; i < node.inputs.size(); ++i)
    if (graph.value(node.inputs[i]).constant) return true;
  return false;
}

void run_loop_invariants(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (const ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    const std::string_view op = node.op->name;
    if (op != "Loop" && op != "Scan") continue;
    const Places at(node);
    if (!has_invariants(graph, node, at)) continue;
    if (!context.open()) return;
    constexpr const char* kWhat = "what does not change is no state of the loop";
    const std::vector<ir::ValueId> outside = node.inputs, outputs = node.outputs;
    const Provenance from = provenance_of(node);
    ir::Graph& body = graph.body(id, 0);
    std::vector<bool> invariant(at.carried);
    for (std::size_t k = 0; k < at.carried; ++k) invariant[k] = is_invariant(body, at, k);
    const auto dropped = std::count(invariant.begin(), invariant.end(), true);
    Made made = make_body(graph, std::as_const(graph).node(id), body, at);
    ir::Attrs attrs = std::as_const(graph).node(id).attrs;
    attrs.set("carried", static_cast<std::int64_t>(at.carried) - dropped);
    std::vector<std::unique_ptr<ir::Graph>> bodies;
    bodies.push_back(std::move(made.body));
    const ir::Node& fewer =
        insert_node(graph, id, *std::as_const(graph).node(id).op, made.node_inputs, std::move(attrs),
                    static_cast<int>(outputs.size()) - static_cast<int>(dropped), from, std::move(bodies));
    const ir::NodeId new_id = fewer.id;
    std::vector<std::pair<ir::ValueId, ir::ValueId>> exchanged;
    for (std::size_t o = 0, kept = 0; o < outputs.size(); ++o)
      exchanged.emplace_back(outputs[o],
                             o < at.carried && invariant[o] ? outside[at.first_in + o] : fewer.outputs[kept++]);
    // The bodies of inner nodes have moved: the old node, if it read what takes its outputs' place, would be inferred
    // again without them.
    graph.node(id).inputs.clear();
    if (!exchange(graph, context, kWhat, id, exchanged)) {
      graph.node(id).inputs = outside;
      ir::Graph& taken = graph.body(new_id, 0);
      for (const auto& [old, copy] : made.nodes)
        graph.body(id, 0).node(old).bodies = std::move(taken.node(copy).bodies);
      graph.remove_node(new_id);
      continue;
    }
    context.allow(kWhat, graph, std::as_const(graph).node(id));
    graph.remove_node(id);
  }
}

}  // namespace

const Pass loop_invariants_pass{"loop_invariants", "takes what a loop carries unchanged out of its state",
                                run_loop_invariants};

}  // namespace monza
