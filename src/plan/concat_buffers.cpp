#include "plan/concat_buffers.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "plan/extent_program.h"

namespace monza::plan {

const Place& ConcatBuffers::buffer(const ir::Node& concat, Port port) {
  if (const auto it = buffers_.find(concat.id); it != buffers_.end()) return it->second;
  const Place made = make_buffer(concat, port);
  return buffers_.emplace(concat.id, made).first->second;
}

Place ConcatBuffers::make_buffer(const ir::Node& concat, Port port) {
  const ir::ValueId out = concat.outputs[0];
  const TypedShape type = s_.facts.type_of(out);
  int device = s_.facts.devices_of(concat)[0];
  const Assigned* assigned = decisions_.assigned_to(concat);
  if (assigned != nullptr) {
    port = assigned->form;
    device = assigned->candidate.device;
  }
  const Place* target = decisions_.targets.place_of(out);
  if (target != nullptr && s_.device_of(*target) == device) return *target;
  // Blocks of an outer buffer may begin inside of this one's inputs.
  const bool blocked = port == Port::blocked8 || port == Port::blocked16;
  if (const auto inside = part(out, port);
      inside && !blocked && inside->layout == Layout::strided && s_.device_of(*inside) == device)
    return *inside;
  // Only the choice over the whole graph knows that all inputs begin blocks.
  const bool free = port == Port::channels_last || (blocked && assigned != nullptr);
  Place place = form_place(free ? port : Port::dense, type.shape);
  place.storage = s_.builder.add_arena(type.dtype, type.shape, place.layout, device, s_.region);
  return place;
}

std::optional<Place> ConcatBuffers::part(ir::ValueId value, Port port) {
  const auto it = decisions_.targets.parts.find(value);
  if (it == decisions_.targets.parts.end()) return std::nullopt;
  Place place = buffer(s_.graph.node(it->second.concat), port);
  std::vector<ir::Expr> start(place.stride.size(), ir::Expr(0));
  start[static_cast<std::size_t>(it->second.axis)] = it->second.start;
  const auto offset = offset_at(place, start);
  if (!offset) return std::nullopt;
  place.offset = place.offset + *offset;
  return place;
}

/// For a concatenation without a buffer, in which nothing lies yet: the form that its first input has.
Port ConcatBuffers::form_of_inputs(const ir::Node& concat) {
  for (const ir::ValueId v : concat.inputs) {
    if (s_.graph.value(v).constant) continue;
    const ir::SymShape shape = s_.facts.type_of(v).shape;
    const Place& p = values_.places(v)[0];
    return shape.size() >= 3 && !is_dense(p, shape) && is_channels_last(p, shape) ? Port::channels_last : Port::dense;
  }
  return Port::dense;
}

/// No kernel sees all inputs, so the extent program compares what only a run knows.
void ConcatBuffers::check_extents(const ir::Node& concat, std::size_t input) {
  const ir::SymShape out = s_.facts.type_of(concat.outputs[0]).shape;
  const ir::SymShape in = s_.facts.type_of(concat.inputs[input]).shape;
  const std::int64_t given = attrs_of(concat).i("axis");
  const std::int64_t axis = given < 0 ? given + static_cast<std::int64_t>(out.size()) : given;
  for (std::size_t a = 0; a < out.size(); ++a)
    if (static_cast<std::int64_t>(a) != axis)
      check_equal(s_.builder, in[a], out[a], fmt::format("axis {} of input {} of a concatenation", a, input));
}

void ConcatBuffers::plan(const ir::Node& concat) {
  const auto& aliases = s_.facts.aliases(concat);
  const Place whole = buffer(concat, form_of_inputs(concat));
  const int device = s_.device_of(whole);
  for (std::size_t i = 0; i < concat.inputs.size(); ++i) {
    const ir::ValueId v = concat.inputs[i];
    const TypedShape type = s_.facts.type_of(v);
    check_extents(concat, i);
    const auto offset = offset_at(whole, aliases[i].start);
    if (!offset) fail("input {} of a concatenation does not begin a block of its buffer", i);
    Place part = whole;
    part.offset = part.offset + *offset;
    const auto& places = values_.places(v, device);
    const bool there = std::any_of(places.begin(), places.end(), [&](const Place& p) {
      return p.storage == part.storage && p.offset == part.offset && same_form(p, part, type.shape);
    });
    if (!there) s_.identify(s_.copy(values_.on_device(v, device), part, type), concat);
  }
  values_.set_place(concat.outputs[0], whole);
}

}  // namespace monza::plan
