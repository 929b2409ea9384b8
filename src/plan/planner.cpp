#include "plan/planner.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "base/constraint.h"
#include "base/error.h"
#include "monza/engine.h"
#include "ops/shared/ranges.def.h"
#include "plan/builder.h"
#include "plan/data/segments.h"
#include "plan/element_bounds.h"
#include "plan/extent_program.h"
#include "plan/region_planner.h"
#include "plan/waits.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

/// The public name of a kind; states have ports of their own.
std::uint8_t port_kind(ir::ValueKind kind) {
  switch (kind) {
    case ir::ValueKind::sequence: return static_cast<std::uint8_t>(ValueKind::sequence);
    case ir::ValueKind::optional: return static_cast<std::uint8_t>(ValueKind::optional);
    case ir::ValueKind::optional_sequence: return static_cast<std::uint8_t>(ValueKind::optional_sequence);
    default: return static_cast<std::uint8_t>(ValueKind::tensor);
  }
}

/// Binds an input, the `index`-th of its kind: its extents to symbols, with checks of every extent against the profile.
void plan_input(PlanBuilder& b, ir::Graph& graph, RegionPlanner& root, ir::ValueId id, int index) {
  const ir::Value& value = graph.value(id);
  const bool state = value.type.kind == ir::ValueKind::state;
  const TypedShape stored = stored_type(value.type);
  ModelPort port;
  port.name = b.plan.intern(value.name);
  port.dtype = value.type.dtype;
  port.kind = port_kind(value.type.kind);
  // Tensors of a list may be of any size: the port has a shape where all are known to fit it.
  const bool shaped = port.kind == 0 || std::all_of(value.type.shape.begin(), value.type.shape.end(),
                                                    [&](const ir::Expr& e) { return b.has_bound(e); });
  port.rank = static_cast<std::uint8_t>(shaped ? value.type.shape.size() : 0);
  const Shape largest = shaped ? b.largest(value.type.shape) : Shape();
  const Shape typical = shaped ? b.typical(value.type.shape) : Shape();
  for (int a = 0; a < largest.rank; ++a) {
    const ir::Expr& extent = value.type.shape[static_cast<std::size_t>(a)];
    const ir::Interval range = b.range(extent);
    port.min[a] = (value.type.varying >> a & 1) != 0 ? 0 : range.low;
    port.opt[a] = typical[a];
    port.max[a] = range.high;
    if (!extent.is_constant()) port.symbol[a] = b.plan.intern(ir::to_string(extent));
    if (state || port.kind != 0) continue;
    ScalarInstruction load;
    load.op = ScalarOp::input_extent;
    load.dst = b.scalars.fresh();
    load.a = index;
    load.b = a;
    b.scalars.emit(load);
    const int check = check_range(b, load.dst, range,
                                  extent.is_constant() ? fmt::format("axis {} of input '{}'", a, value.name)
                                                       : fmt::format("dimension '{}' (axis {} of input '{}')",
                                                                     ir::to_string(extent), a, value.name));
    if (extent.is_constant()) continue;
    if (b.scalars.knows(extent)) {
      ScalarInstruction equal;
      equal.op = ScalarOp::check_equal;
      equal.dst = check;
      equal.a = load.dst;
      equal.b = b.scalars.compile(extent);
      b.scalars.emit(equal);
    } else {
      b.scalars.bind(extent, load.dst);
    }
  }
  Place place;
  place.storage = b.add_bound(state ? Base::state : Base::input, index, stored, 0);
  place.stride = dense_strides(stored.shape);
  root.bind(id, place);
  port.operand = b.operand(place, stored);
  (state ? b.plan.states : b.plan.inputs).push_back(port);
}

void plan_inputs(PlanBuilder& b, ir::Graph& graph, RegionPlanner& root) {
  int tensors = 0, states = 0;
  for (const ir::ValueId id : graph.inputs()) {
    const ir::Value& value = graph.value(id);
    try {
      plan_input(b, graph, root, id, value.type.kind == ir::ValueKind::state ? states++ : tensors++);
    } catch (const Error& e) {
      throw e.at(fmt::format("input '{}'", value.name));
    }
  }
}

/// Bounds for elements that extents read, from what computes them.
void bound_elements(PlanBuilder& b, const ir::Graph& graph) {
  ElementsRead read;
  collect_elements(graph, read);
  ElementBounds bounds(graph, [&](const ir::Expr& e) { return b.range(e); });
  for (const auto& [value, indices] : read) {
    if (!graph.has_value(value) || graph.model().element_values.contains(value)) continue;
    for (const std::int64_t index : indices)
      if (const auto range = bounds.of(value, index)) b.set_element_range(value, index, *range);
  }
  for (const ir::NodeId n : graph.order())
    for (const auto& body : graph.node(n).bodies) bound_elements(b, *body);
}

/// The host first, then what nodes name or the options ask for: the same for every profile of a model.
std::vector<DeviceRef> devices_of(const ir::Graph& graph, DeviceKind usual) {
  std::set<DeviceKind> kinds{DeviceKind::cpu, usual};
  const std::function<void(const ir::Graph&)> collect = [&](const ir::Graph& g) {
    for (const ir::NodeId id : g.order()) {
      const ir::Node& node = g.node(id);
      for (const Device d : kDevices)
        if (node.constraint.devices.contains(d)) kinds.insert(d);
      for (const auto& body : node.bodies) collect(*body);
    }
  };
  collect(graph);
  std::vector<DeviceRef> devices;
  for (const DeviceKind kind : kinds) devices.push_back({.kind = static_cast<std::uint8_t>(kind)});
  return devices;
}

/// Segments are for devices that capture: there, work that is the same in every run of equal extents (see Segment).
void plan_segments(PlanStorage& storage) {
  const Plan plan = storage.view();
  for (std::size_t r = 0; r < plan.regions.size(); ++r)
    for (std::uint32_t i = plan.regions[r].steps.begin, end = i + plan.regions[r].steps.count; i < end; ++i) {
      const Step& step = plan.steps[i];
      const Capturable same = step.device != 0         ? capturable(plan, step)
                              : needs_host(plan, step) ? Capturable::never
                                                       : Capturable::always;
      if (r != 0 && (step.device == 0 || same == Capturable::never)) continue;
      Segment* last = storage.segments.empty() ? nullptr : &storage.segments.back();
      if (same != Capturable::never && last != nullptr && last->capturable != Capturable::never &&
          i != plan.regions[r].steps.begin && last->steps.begin + last->steps.count == i &&
          may_follow(plan.steps[i - 1], step)) {
        ++last->steps.count;
        last->capturable = std::max(last->capturable, same);
        continue;
      }
      storage.segments.push_back({.steps = {i, 1}, .device = step.device, .capturable = same});
    }
}

/// Where the caller binds the outputs: dense, on the host.
std::vector<Place> place_outputs(PlanBuilder& b, const ir::Graph& graph) {
  std::vector<Place> places;
  for (const auto& o : graph.outputs()) {
    const ir::Type& type = graph.value(o.value).type;
    if (type.kind == ir::ValueKind::state) fail("output '{}' is the state of a sequence", o.name);
    const TypedShape stored = stored_type(type);
    Place place;
    try {
      place.storage = b.add_bound(Base::output, static_cast<int>(places.size()), stored, 0);
    } catch (const Error& e) {
      throw e.at(fmt::format("output '{}'", o.name));
    }
    place.stride = dense_strides(stored.shape);
    places.push_back(place);
  }
  return places;
}

/// The outputs as ports, once what their extents depend on is planned.
void list_outputs(PlanBuilder& b, const ir::Graph& graph, const std::vector<Place>& places) {
  for (std::size_t i = 0; i < places.size(); ++i) {
    const ir::Type& type = graph.value(graph.outputs()[i].value).type;
    const TypedShape stored = stored_type(type);
    ModelPort port;
    port.name = b.plan.intern(graph.outputs()[i].name);
    port.dtype = type.dtype;
    port.kind = port_kind(type.kind);
    // Elements of what is no tensor may differ in shape.
    port.rank = static_cast<std::uint8_t>(port.kind == 0 ? type.shape.size() : 0);
    port.operand = b.operand(places[i], stored);
    const Shape largest = b.largest(stored.shape), typical = b.typical(stored.shape);
    for (int a = 0; a < largest.rank; ++a) {
      const ir::Expr& extent = stored.shape[static_cast<std::size_t>(a)];
      port.min[a] = std::max<std::int64_t>(0, b.range(extent).low);
      port.opt[a] = typical[a];
      port.max[a] = largest[a];
      if (!extent.is_constant()) port.symbol[a] = b.plan.intern(ir::to_string(extent));
    }
    b.plan.outputs.push_back(port);
  }
}

PlannedModel plan_graph(ir::Graph& graph, const BuildOptions& options, const PlanScope& scope, WeightStore& weights) {
  PlanBuilder b(options, scope, weights, graph.model().limits);
  std::vector<Choice> choices;
  b.plan.devices = devices_of(graph, options.device);
  // Elements that a profile gives are known; others may be anything until a check bounds them.
  for (const auto& [value, elements] : graph.model().element_values)
    for (std::size_t k = 0; k < elements.size(); ++k)
      b.set_element_range(value, static_cast<std::int64_t>(k), {elements[k], elements[k]});
  bound_elements(b, graph);

  RegionPlanner root(b, graph, b.begin_region(), choices);
  plan_inputs(b, graph, root);
  const std::vector<Place> outputs = place_outputs(b, graph);
  root.run(outputs);
  list_outputs(b, graph, outputs);
  root.end();
  PlannedModel model{b.finish(), std::move(choices)};
  write_waits(model.plan);
  plan_segments(model.plan);
  return model;
}

}  // namespace

PlannedModel make_plan(ir::Graph& graph, const BuildOptions& options, const PlanScope& scope, WeightStore& weights) {
  std::map<std::string, ir::Interval> ranges;
  for (const auto& [symbol, range] : scope.profile) ranges[symbol] = {range.min, range.max};
  const std::unique_ptr<ir::Graph> own = ops::inferred_for(graph, ranges);
  return plan_graph(own ? *own : graph, options, scope, weights);
}

}  // namespace monza::plan
