// Where results go before they exist: model outputs, and the buffers of concatenations.
#include <algorithm>

#include "plan/element_bounds.h"
#include "plan/layouts.h"
#include "plan/region_planner.h"
#include "tensor/dtype.h"

namespace monza::plan {
void RegionPlanner::find_needed() {
  collect_elements(graph_, elements_);
  for (const auto& [value, index] : graph_.model().specialised) elements_[value].insert(index);
  std::vector<ir::ValueId> work;
  std::set<ir::ValueId> seen;
  const auto want = [&](ir::ValueId v) {
    if (v != ir::kNone && graph_.has_value(v) && seen.insert(v).second) work.push_back(v);
  };
  for (const auto& o : graph_.outputs()) want(o.value);
  for (const ir::NodeId n : graph_.order())
    if (has(graph_.node(n).op->flags, ir::OpFlag::effect))
      for (const ir::ValueId v : graph_.node(n).outputs) want(v);
  while (!work.empty()) {
    const ir::Value& value = graph_.value(work.back());
    work.pop_back();
    std::map<ir::ValueId, std::set<std::int64_t>> read;
    for (const ir::Expr& e : value.type.shape) collect_elements(e, read);
    for (const auto& [v, indices] : read) want(v);
    if (value.producer == ir::kNone) continue;
    const ir::Node& node = graph_.node(value.producer);
    if (!needed_.insert(node.id).second) continue;
    for (const auto& body : node.bodies) {
      read.clear();
      collect_elements(*body, read);
      for (const auto& [v, indices] : read) want(v);
    }
    for (const ir::ValueId o : node.outputs)
      for (const ir::Expr& e : graph_.value(o).type.shape) collect_elements(e, read);
    for (const auto& [v, indices] : read) want(v);
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (i >= 32 || (node.op->shape_inputs >> i & 1u) == 0) want(node.inputs[i]);
  }
  for (const ir::NodeId n : needed_) {
    const ir::Node& node = graph_.node(n);
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != ir::kNone && (i >= 32 || (node.op->shape_inputs >> i & 1u) == 0)) ++uses_[node.inputs[i]];
  }
  for (const auto& o : graph_.outputs()) ++uses_[o.value];
}

void RegionPlanner::find_targets(const std::vector<Place>& outputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    ir::ValueId v = graph_.outputs()[i].value;
    // Back through reshapes that are the only reader: what they reshape can be written to the output at once.
    while (graph_.producer(v) != nullptr && !targets_.contains(v)) {
      Place place = outputs[i];
      place.stride = dense_strides(type_of(v).shape);
      targets_.emplace(v, place);
      const ir::Node& node = *graph_.producer(v);
      const auto& list = aliases(node);
      if (list.size() != 1 || list[0].kind != ir::Alias::Kind::reshape) break;
      const ir::ValueId from = node.inputs[std::size_t(list[0].input)];
      const ir::SymShape shape = type_of(from).shape;
      Place dense = outputs[i];
      dense.stride = dense_strides(shape);
      // Where extents do not show that the elements fit, the reshape is a copy, which cannot be made in place.
      if (uses_[from] != 1 || !view_of(dense, shape, type_of(v).shape, list[0])) break;
      v = from;
    }
  }
}

void RegionPlanner::find_concats() {
  if (b_.options.copy_views) return;
  for (const ir::NodeId id : graph_.order()) {
    if (!needed_.contains(id)) continue;
    const ir::Node& node = graph_.node(id);
    const auto& list = aliases(node);
    if (list.empty() || list[0].kind != ir::Alias::Kind::placement || list.size() != node.inputs.size()) continue;
    if (dtype_bits(graph_.value(node.outputs[0]).type.dtype) < 8) continue;
    const auto axis_of = [&](const ir::Alias& a) {
      for (std::size_t k = 0; k < a.start.size(); ++k)
        if (!(a.start[k] == ir::Expr(0))) return int(k);
      return -1;
    };
    int axis = -1;
    for (const ir::Alias& a : list) axis = std::max(axis, axis_of(a));
    if (axis < 0) continue;
    const auto claim = [&](ir::ValueId v, const ir::Expr& start) {
      const ir::Node* producer = graph_.producer(v);
      if (producer == nullptr || targets_.contains(v) || parts_.contains(v) || graph_.is_output(v)) return;
      if (is_view_node(*producer) || has(producer->op->flags, ir::OpFlag::control)) return;
      parts_.emplace(v, Part{id, axis, start});
    };
    for (std::size_t i = 0; i < node.inputs.size();) {
      const ir::ValueId v = node.inputs[i];
      // All pieces of one split, in order: then the split value itself may lie in the buffer.
      const ir::Node* split = graph_.producer(v);
      std::size_t pieces = 0;
      if (split != nullptr && split->outputs.size() > 1 && is_view_node(*split)) {
        while (pieces < split->outputs.size() && i + pieces < node.inputs.size() &&
               node.inputs[i + pieces] == split->outputs[pieces])
          ++pieces;
        const ir::ValueId whole = split->inputs[0];
        const auto& split_aliases = aliases(*split);
        ir::Expr sum = 0;
        bool covers = pieces == split->outputs.size();
        for (std::size_t p = 0; covers && p < pieces; ++p) {
          const ir::Alias& a = split_aliases[p];
          covers = a.start.size() > std::size_t(axis) && a.start[std::size_t(axis)] == sum;
          sum = sum + graph_.value(split->outputs[p]).type.shape[std::size_t(axis)];
        }
        if (covers && sum == graph_.value(whole).type.shape[std::size_t(axis)]) {
          claim(whole, list[i].start.empty() ? ir::Expr(0) : list[i].start[std::size_t(axis)]);
          i += pieces;
          continue;
        }
      }
      claim(v, list[i].start.empty() ? ir::Expr(0) : list[i].start[std::size_t(axis)]);
      ++i;
    }
  }
}

Place& RegionPlanner::concat_buffer(const ir::Node& concat, Port port) {
  if (const auto it = buffers_.find(concat.id); it != buffers_.end()) return it->second;
  const ir::ValueId out = concat.outputs[0];
  const TypedShape type = type_of(out);
  if (const auto it = assigned_.find(concat.id); it != assigned_.end()) port = it->second.form;
  const int device = device_of(concat);
  if (const auto it = targets_.find(out); it != targets_.end() && device_of(it->second) == device)
    return buffers_.emplace(concat.id, it->second).first->second;
  // Blocks of an outer buffer may begin inside of this one's inputs.
  const bool blocked = port == Port::blocked8 || port == Port::blocked16;
  if (auto inside = part_place(out, port);
      inside && !blocked && inside->layout == Layout::strided && device_of(*inside) == device)
    return buffers_.emplace(concat.id, *inside).first->second;
  // Only the choice over the whole graph knows that all inputs begin blocks.
  const bool chosen = assigned_.contains(concat.id);
  Place place = form_place(port == Port::channels_last || (blocked && chosen) ? port : Port::dense, type.shape);
  place.storage = b_.add_arena(type.dtype, type.shape, place.layout, device, region_);
  return buffers_.emplace(concat.id, place).first->second;
}

std::optional<Place> RegionPlanner::part_place(ir::ValueId value, Port port) {
  const auto it = parts_.find(value);
  if (it == parts_.end()) return std::nullopt;
  const ir::Node& concat = graph_.node(it->second.concat);
  Place place = concat_buffer(concat, port);
  std::vector<ir::Expr> start(place.stride.size(), ir::Expr(0));
  start[std::size_t(it->second.axis)] = it->second.start;
  const auto offset = offset_at(place, start);
  if (!offset) return std::nullopt;
  place.offset = place.offset + *offset;
  return place;
}

}  // namespace monza::plan
