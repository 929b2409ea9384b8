// The buffers of concatenations, in which their inputs are computed.
#include <algorithm>

#include "plan/layouts.h"
#include "plan/region_planner.h"
#include "tensor/dtype.h"

namespace monza::plan {
Place& RegionPlanner::concat_buffer(const ir::Node& concat, Port port) {
  if (const auto it = buffers_.find(concat.id); it != buffers_.end()) return it->second;
  const ir::ValueId out = concat.outputs[0];
  const TypedShape type = type_of(out);
  int device = facts_.devices_of(concat)[0];
  if (const auto it = assigned_.find(concat.id); it != assigned_.end()) {
    port = it->second.form;
    device = it->second.candidate.device;
  }
  if (const auto it = targets_.places.find(out); it != targets_.places.end() && device_of(it->second) == device)
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
  const auto it = targets_.parts.find(value);
  if (it == targets_.parts.end()) return std::nullopt;
  const ir::Node& concat = graph_.node(it->second.concat);
  Place place = concat_buffer(concat, port);
  std::vector<ir::Expr> start(place.stride.size(), ir::Expr(0));
  start[static_cast<std::size_t>(it->second.axis)] = it->second.start;
  const auto offset = offset_at(place, start);
  if (!offset) return std::nullopt;
  place.offset = place.offset + *offset;
  return place;
}

}  // namespace monza::plan
