#include "plan/targets.h"

#include <algorithm>

#include "tensor/dtype.h"

namespace monza::plan {

void Targets::find_outputs(const RegionFacts& facts, const std::vector<Place>& outputs) {
  const ir::Graph& graph = facts.graph();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    ir::ValueId v = graph.outputs()[i].value;
    // Back through reshapes that are the only reader: what they reshape can be written to the output at once.
    while (graph.producer(v) != nullptr && !places.contains(v)) {
      Place place = outputs[i];
      place.stride = dense_strides(facts.type_of(v).shape);
      places.emplace(v, place);
      const ir::Node& node = *graph.producer(v);
      const auto& list = facts.aliases(node);
      if (list.size() != 1 || list[0].kind != ir::Alias::Kind::reshape) break;
      const ir::ValueId from = node.inputs[static_cast<std::size_t>(list[0].input)];
      const ir::SymShape shape = facts.type_of(from).shape;
      Place dense = outputs[i];
      dense.stride = dense_strides(shape);
      // Where extents do not show that the elements fit, the reshape is a copy, which cannot be made in place.
      if (facts.use_count(from) != 1 || !view_of(dense, shape, facts.type_of(v).shape, list[0])) break;
      v = from;
    }
  }
}

void Targets::find_parts(const RegionFacts& facts) {
  const ir::Graph& graph = facts.graph();
  for (const ir::NodeId id : graph.order()) {
    if (!facts.is_needed(id)) continue;
    const ir::Node& node = graph.node(id);
    const auto& list = facts.aliases(node);
    if (list.empty() || list[0].kind != ir::Alias::Kind::placement || list.size() != node.inputs.size()) continue;
    if (dtype_bits(graph.value(node.outputs[0]).type.dtype) < 8) continue;
    const auto axis_of = [&](const ir::Alias& a) {
      for (std::size_t k = 0; k < a.start.size(); ++k)
        if (!(a.start[k] == ir::Expr(0))) return static_cast<int>(k);
      return -1;
    };
    int axis = -1;
    for (const ir::Alias& a : list) axis = std::max(axis, axis_of(a));
    if (axis < 0) continue;
    const auto claim = [&](ir::ValueId v, const ir::Expr& start) {
      const ir::Node* producer = graph.producer(v);
      if (producer == nullptr || places.contains(v) || parts.contains(v) || graph.is_output(v)) return;
      if (facts.is_view_node(*producer) || has(producer->op->flags, ir::OpFlag::control)) return;
      parts.emplace(v, Part{id, axis, start});
    };
    for (std::size_t i = 0; i < node.inputs.size();) {
      const ir::ValueId v = node.inputs[i];
      // All pieces of one split, in order: then the split value itself may lie in the buffer.
      const ir::Node* split = graph.producer(v);
      std::size_t pieces = 0;
      if (split != nullptr && split->outputs.size() > 1 && facts.is_view_node(*split)) {
        while (pieces < split->outputs.size() && i + pieces < node.inputs.size() &&
               node.inputs[i + pieces] == split->outputs[pieces])
          ++pieces;
        const ir::ValueId whole = split->inputs[0];
        const auto& split_aliases = facts.aliases(*split);
        ir::Expr sum = 0;
        bool covers = pieces == split->outputs.size();
        for (std::size_t p = 0; covers && p < pieces; ++p) {
          const ir::Alias& a = split_aliases[p];
          covers = a.start.size() > static_cast<std::size_t>(axis) && a.start[static_cast<std::size_t>(axis)] == sum;
          sum = sum + graph.value(split->outputs[p]).type.shape[static_cast<std::size_t>(axis)];
        }
        if (covers && sum == graph.value(whole).type.shape[static_cast<std::size_t>(axis)]) {
          claim(whole, list[i].start.empty() ? ir::Expr(0) : list[i].start[static_cast<std::size_t>(axis)]);
          i += pieces;
          continue;
        }
      }
      claim(v, list[i].start.empty() ? ir::Expr(0) : list[i].start[static_cast<std::size_t>(axis)]);
      ++i;
    }
  }
}

}  // namespace monza::plan
