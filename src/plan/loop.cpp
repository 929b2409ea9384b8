// Planning Loop and Scan: operands that the runtime copies between iterations, around the body's own region.
#include <algorithm>
#include <span>

#include "base/error.h"
#include "plan/region_planner.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

/// The extent atom of `value` that the expression is, or null.
const ir::Atom* own_extent(const ir::Expr& e, ir::ValueId value, std::vector<std::shared_ptr<const ir::Atom>>& keep) {
  if (e.is_constant()) return nullptr;
  const auto terms = e.terms();
  if (terms.size() != 1 || terms[0].atoms.size() != 1 || terms[0].coefficient != 1) return nullptr;
  keep.push_back(terms[0].atoms[0]);
  const ir::Atom* atom = keep.back().get();
  return atom->kind == ir::AtomKind::extent && atom->value == value ? atom : nullptr;
}

}  // namespace

/// An operand that a loop writes: dense, its own memory; extents that the loop sets get fresh registers (`bound`).
int RegionPlanner::loop_operand(const Place& place, const TypedShape& type, const std::set<ir::ValueId>& bound_to) {
  std::vector<std::shared_ptr<const ir::Atom>> keep;
  std::uint16_t bound = 0;
  for (std::size_t a = 0; a < type.shape.size(); ++a) {
    const ir::Atom* atom = nullptr;
    for (const ir::ValueId v : bound_to) atom = atom ? atom : own_extent(type.shape[a], v, keep);
    if (atom == nullptr) continue;
    bound |= static_cast<std::uint16_t>(1u << a);
    if (!b_.scalars.knows(type.shape[a])) b_.scalars.bind(type.shape[a], b_.scalars.fresh());
  }
  Place written = place;
  // Strides that depend on such extents are not read by the loop, and are not known before it runs.
  if (bound != 0)
    for (ir::Expr& s : written.stride)
      if (!s.is_constant()) s = 0;
  const int operand = b_.operand(written, type);
  b_.plan.operands[static_cast<std::size_t>(operand)].bound_axes = bound;
  return operand;
}

/// A Loop or Scan on its way to be a step.
struct RegionPlanner::LoopNode {
  ir::Node& node;
  const bool is_scan;
  ir::Graph& body = *node.bodies[0];
  std::size_t carried = static_cast<std::size_t>(attrs_of(node).i("carried"));
  std::size_t scanned = is_scan ? static_cast<std::size_t>(attrs_of(node).i("scanned")) : 0;
  std::size_t first_in = is_scan ? 0 : 2, first_out = is_scan ? 0 : 1;  ///< of the carried values
  LoopInfo info = {};
  std::vector<int> own = {};  ///< storages that live through the whole loop
  std::vector<int> carried_in = {}, scanned_in = {}, results = {}, body_carried_in = {},
                   body_scanned = {};  ///< operands
  std::vector<int> body_carried_out = {}, body_stacked = {};
  std::vector<Place> result_places = {};
};

Place RegionPlanner::loop_memory(LoopNode& l, const TypedShape& type) {
  Place place;
  place.storage = b_.add_arena(type.dtype, type.shape, Layout::strided, 0, region_);
  place.stride = dense_strides(type.shape);
  l.own.push_back(place.storage);
  return place;
}

/// What the loop reads of the outside, all on the host.
void RegionPlanner::take_loop_inputs(LoopNode& l) {
  const ir::Node& node = l.node;
  const auto operand = [&](std::size_t i, Port port) {
    return b_.operand(ensure(node.inputs[i], port, 0), type_of(node.inputs[i]));
  };
  const std::int64_t most = graph_.model().limits.trips;
  l.info.max_trips = most;
  if (!l.is_scan) {
    l.info.trip_count = node.inputs[0] == ir::kNone ? -1 : operand(0, Port::dense);
    l.info.condition = node.inputs[1] == ir::kNone ? -1 : operand(1, Port::dense);
    if (l.info.trip_count >= 0) {
      ir::InferContext context(graph_, l.node);
      l.info.max_trips = std::clamp<std::int64_t>(b_.range(context.content(0)[0]).high, 0, most);
    }
  }
  for (std::size_t k = 0; k < l.carried; ++k) l.carried_in.push_back(operand(l.first_in + k, Port::strided));
  for (std::size_t k = 0; k < l.scanned; ++k) l.scanned_in.push_back(operand(l.carried + k, Port::strided));
  if (l.is_scan) {
    const auto axis = attrs_of(node).ints("scan_input_axes", l.scanned)[0];
    const ir::SymShape& shape = graph_.value(node.inputs[l.carried]).type.shape;
    l.info.max_trips =
        b_.range(shape[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(shape.size()) : axis)])
            .high;
  }
}

/// Set before the body, so that its extents' registers exist outside.
void RegionPlanner::place_loop_results(LoopNode& l) {
  const std::set<ir::ValueId> results(l.node.outputs.begin(), l.node.outputs.end());
  for (const ir::ValueId v : l.node.outputs) {
    const TypedShape type = type_of(v);
    const auto target = targets_.places.find(v);
    l.result_places.push_back(target != targets_.places.end() ? target->second : loop_memory(l, type));
    l.results.push_back(loop_operand(l.result_places.back(), type, results));
  }
}

/// The body's region; returns the program of the loop's step, which runs before it.
Range RegionPlanner::plan_loop_body(LoopNode& l) {
  ir::Graph& body = l.body;
  const auto body_type = [&](ir::ValueId v) { return stored_type(body.value(v).type); };
  const int region = static_cast<int>(b_.plan.regions.size());
  b_.plan.regions.emplace_back();
  l.info.region = region;
  b_.scalars.push_scope();
  RegionPlanner inner(b_, body, region, choices_);
  const auto body_input = [&](std::size_t i) {
    const ir::ValueId v = body.inputs()[i];
    const Place place = loop_memory(l, body_type(v));
    inner.bind(v, place);
    return loop_operand(place, body_type(v), {v});
  };
  if (!l.is_scan) {
    l.info.body_iteration = body_input(0);
    l.info.body_condition_in = body_input(1);
  }
  for (std::size_t k = 0; k < l.carried; ++k) l.body_carried_in.push_back(body_input(l.first_in + k));
  for (std::size_t k = 0; k < l.scanned; ++k) l.body_scanned.push_back(body_input(l.carried + k));
  for (std::size_t i = l.first_in + l.carried + l.scanned; i < body.inputs().size(); ++i)
    capture(inner, body.inputs()[i], l.node.inputs[i]);
  const Range program = b_.scalars.flush();

  std::vector<Place> outputs;
  for (const auto& o : body.outputs()) outputs.push_back(loop_memory(l, body_type(o.value)));
  inner.run(outputs);
  inner.await_all();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int operand = b_.operand(outputs[i], body_type(body.outputs()[i].value));
    if (!l.is_scan && i == 0) l.info.body_condition_out = operand;
    else if (i < l.first_out + l.carried) l.body_carried_out.push_back(operand);
    else l.body_stacked.push_back(operand);
  }
  Region& r = b_.plan.regions[static_cast<std::size_t>(region)];
  r.program = b_.scalars.flush();
  r.steps = {static_cast<std::uint32_t>(b_.plan.steps.size()), static_cast<std::uint32_t>(inner.steps().size())};
  b_.plan.steps.insert(b_.plan.steps.end(), inner.steps().begin(), inner.steps().end());
  b_.scalars.pop_scope();
  return program;
}

/// Operands of one list lie together: copies of those made before.
void RegionPlanner::list_loop_operands(LoopNode& l) {
  const auto range_of = [&](std::span<const int> list) {
    const Range range{static_cast<std::uint32_t>(b_.plan.operands.size()), static_cast<std::uint32_t>(list.size())};
    for (const int o : list) b_.repeat_operand(o);
    return range;
  };
  const std::span<const int> results = l.results;
  l.info.carried_in = range_of(l.carried_in);
  l.info.body_carried_in = range_of(l.body_carried_in);
  l.info.body_carried_out = range_of(l.body_carried_out);
  l.info.carried_out = range_of(results.first(l.carried));
  l.info.scanned = range_of(l.scanned_in);
  l.info.body_scanned = range_of(l.body_scanned);
  l.info.body_scan_out = range_of(l.body_stacked);
  l.info.scan_out = range_of(results.subspan(l.carried));
}

void RegionPlanner::list_scan_axes(LoopNode& l) {
  const ir::Node& node = l.node;
  const auto add = [&](const char* name, std::size_t count, const ir::ValueId* values, bool axes) {
    const auto list = attrs_of(node).ints(name, count);
    for (std::size_t k = 0; k < count; ++k) {
      const auto rank = static_cast<std::int64_t>(graph_.value(values[k]).type.shape.size());
      b_.plan.ints.push_back(axes && list[k] < 0 ? list[k] + rank : list[k]);
    }
  };
  const ir::ValueId *scanned = node.inputs.data() + l.carried, *stacked = node.outputs.data() + l.carried;
  const std::size_t stacks = node.outputs.size() - l.carried;
  l.info.scan_axes.begin = static_cast<std::uint32_t>(b_.plan.ints.size());
  add("scan_input_axes", l.scanned, scanned, true);
  add("scan_input_directions", l.scanned, scanned, false);
  add("scan_output_axes", stacks, stacked, true);
  add("scan_output_directions", stacks, stacked, false);
  l.info.scan_axes.count = static_cast<std::uint32_t>(b_.plan.ints.size()) - l.info.scan_axes.begin;
}

void RegionPlanner::plan_loop(ir::Node& node, bool is_scan) {
  LoopNode l{node, is_scan};
  const int begin = b_.time();
  const int storages_before = b_.storage_count();
  l.info.is_scan = is_scan ? 1 : 0;
  take_loop_inputs(l);
  place_loop_results(l);
  const Range program = plan_loop_body(l);
  list_loop_operands(l);
  if (is_scan) list_scan_axes(l);

  Step step;
  step.kind = StepKind::loop;
  identify(step, node);
  step.loop = static_cast<std::int32_t>(b_.plan.loops.size());
  b_.plan.loops.push_back(l.info);
  // Whatever an iteration reads from outside is read again by the next: it lives until the loop ends.
  const int end = b_.time();
  for (int s = 0; s < storages_before; ++s)
    if (b_.storage(s).base == Base::arena && b_.storage(s).last >= begin) b_.touch(s, end);
  for (const int s : l.own) {
    b_.touch(s, begin);
    b_.touch(s, end);
  }
  b_.add_step(steps_, step);
  steps_.back().program = program;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) set_form(node.outputs[i], l.result_places[i]);
}

}  // namespace monza::plan
