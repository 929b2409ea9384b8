#include "plan/views.h"

#include <algorithm>

#include "plan/extent_program.h"
#include "tensor/dtype.h"

namespace monza::plan {
namespace {

/// Whether the view can look at the value as it lies, or at its dense elements.
bool can_view(RegionScope& s, RegionValues& values, const ir::Node& node, const ir::Alias& alias) {
  const ir::ValueId in = node.inputs[static_cast<std::size_t>(alias.input)];
  const ir::Type& result = s.graph.value(node.outputs[static_cast<std::size_t>(alias.output)]).type;
  const bool whole_bytes = dtype_bits(result.dtype) >= 8 || alias.kind == ir::Alias::Kind::reshape;
  if (!whole_bytes) return false;
  const ir::SymShape& shape = s.graph.value(in).type.shape;
  const auto shows = [&](const Place& p) { return view_of(p, shape, result.shape, alias).has_value(); };
  return std::ranges::any_of(values.places(in), shows) || shows(form_place(Port::dense, shape));
}

/// Where the view lies; rearranges what it looks at when it is a view of the dense elements alone.
Place place_view(RegionScope& s, RegionValues& values, const ir::Node& node, const ir::Alias& alias) {
  const ir::ValueId in = node.inputs[static_cast<std::size_t>(alias.input)],
                    out = node.outputs[static_cast<std::size_t>(alias.output)];
  const ir::SymShape &in_shape = s.graph.value(in).type.shape, &out_shape = s.graph.value(out).type.shape;
  // Looking at what lies there takes no device's work.
  for (const Place& p : values.places(in))
    if (const auto view = view_of(p, in_shape, out_shape, alias)) return *view;
  Place dense = values.ensure(in, Port::dense, s.device_of(values.places(in)[0]));
  dense.stride = dense_strides(in_shape);  // axes of one element may have others
  return *view_of(dense, in_shape, out_shape, alias);
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
  // All of them before the first: what is rearranged for a view is of no use to a kernel.
  if (!std::ranges::all_of(aliases, [&](const ir::Alias& a) { return can_view(s, values, node, a); })) return false;
  for (const ir::Alias& alias : aliases) {
    const ir::ValueId out = node.outputs[static_cast<std::size_t>(alias.output)];
    const Place view = place_view(s, values, node, alias);
    values.set_place(out, s.builder.scope.copy_views ? realise(s, targets, node, out, view) : view);
  }
  check_views(s, node, aliases);
  return true;
}

}  // namespace monza::plan
