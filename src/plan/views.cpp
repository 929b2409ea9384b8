#include "plan/views.h"

#include <optional>

#include "plan/extent_program.h"
#include "tensor/dtype.h"

namespace monza::plan {
namespace {

/// Where the view lies; rearranges what it looks at when it is a view of the dense elements alone. Nullopt where it is
/// none of these either.
std::optional<Place> place_view(RegionScope& s, RegionValues& values, const ir::Node& node, const ir::Alias& alias) {
  const ir::ValueId in = node.inputs[static_cast<std::size_t>(alias.input)],
                    out = node.outputs[static_cast<std::size_t>(alias.output)];
  const ir::Value& result = s.graph.value(out);
  const ir::SymShape &in_shape = s.graph.value(in).type.shape, &out_shape = result.type.shape;
  const bool whole_bytes = dtype_bits(result.type.dtype) >= 8 || alias.kind == ir::Alias::Kind::reshape;
  if (!whole_bytes) return std::nullopt;
  // Looking at what lies there takes no device's work.
  for (const Place& p : values.places(in))
    if (const auto view = view_of(p, in_shape, out_shape, alias)) return view;
  const Place dense = values.ensure(in, Port::dense, s.device_of(values.places(in)[0]));
  return view_of(dense, in_shape, out_shape, alias);
}

/// The view as a copy of its own.
Place realise(RegionScope& s, const Targets& targets, const ir::Node& node, ir::ValueId value, const Place& view) {
  const TypedShape type = s.facts.type_of(value);
  const int device = s.device_of(view);
  const Place* target = targets.place_of(value);
  const bool there = target != nullptr && s.device_of(*target) == device;
  const Place to = there ? *target : s.dense_memory(type, device);
  s.identify(s.copy(view, to, type), node);
  return to;
}

}  // namespace

bool plan_views(RegionScope& s, RegionValues& values, const Targets& targets, const ir::Node& node) {
  if (!s.facts.is_view_node(node)) return false;
  const auto& aliases = s.facts.aliases(node);
  for (const ir::Alias& alias : aliases) {
    const ir::ValueId out = node.outputs[static_cast<std::size_t>(alias.output)];
    const std::optional<Place> view = place_view(s, values, node, alias);
    if (!view) return false;
    values.set_place(out, s.builder.scope.copy_views ? realise(s, targets, node, out, *view) : *view);
  }
  check_views(s, node, aliases);
  return true;
}

}  // namespace monza::plan
