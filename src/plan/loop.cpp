// Planning Loop and Scan: operands that the runtime copies between iterations, around the body's own region.
#include <algorithm>

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
    bound |= std::uint16_t(1u << a);
    if (!b_.scalars.knows(type.shape[a])) b_.scalars.bind(type.shape[a], b_.scalars.fresh());
  }
  Place written = place;
  // Strides that depend on such extents are not read by the loop, and are not known before it runs.
  if (bound != 0)
    for (ir::Expr& s : written.stride)
      if (!s.is_constant()) s = 0;
  const int operand = b_.operand(written, type);
  b_.plan.operands[std::size_t(operand)].bound_axes = bound;
  return operand;
}

void RegionPlanner::plan_loop(ir::Node& node, bool is_scan) {
  ir::Graph& body = *node.bodies[0];
  const std::size_t carried = std::size_t(node.attrs.i("carried", 0));
  const std::size_t scanned = is_scan ? std::size_t(node.attrs.i("scanned", 1)) : 0;
  const std::size_t first_in = is_scan ? 0 : 2, first_out = is_scan ? 0 : 1;
  const std::size_t stacked = node.outputs.size() - carried;
  const int begin = b_.time();
  const int storages_before = b_.storage_count();
  std::vector<int> own;  // storages that live through the whole loop

  const auto memory = [&](const TypedShape& type) {
    Place place;
    place.storage = b_.add_arena(type.dtype, type.shape, Layout::strided, 0, region_);
    place.stride = dense_strides(type.shape);
    own.push_back(place.storage);
    return place;
  };
  const auto body_type = [&](ir::ValueId v) { return stored_type(body.value(v).type); };
  const auto range_of = [&](const std::vector<int>& list) {
    Range range{std::uint32_t(b_.plan.operands.size()), std::uint32_t(list.size())};
    // Operands of one list lie together: copies of those made before.
    for (const int o : list) b_.repeat_operand(o);
    return range;
  };

  LoopInfo loop;
  loop.is_scan = is_scan ? 1 : 0;
  const std::int64_t most = graph_.model().limits.trips;
  loop.max_trips = most;
  const auto scalar_input = [&](std::size_t i) {
    return node.inputs[i] == ir::kNone ? -1
                                       : b_.operand(ensure(node.inputs[i], Port::dense, 0), type_of(node.inputs[i]));
  };
  if (!is_scan) {
    loop.trip_count = scalar_input(0);
    loop.condition = scalar_input(1);
    if (loop.trip_count >= 0) {
      ir::InferContext context(graph_, node);
      loop.max_trips = std::clamp<std::int64_t>(b_.range(context.content(0)[0]).high, 0, most);
    }
  }
  std::vector<int> carried_in, scanned_in;
  for (std::size_t k = 0; k < carried; ++k)
    carried_in.push_back(
        b_.operand(ensure(node.inputs[first_in + k], Port::strided, 0), type_of(node.inputs[first_in + k])));
  for (std::size_t k = 0; k < scanned; ++k)
    scanned_in.push_back(
        b_.operand(ensure(node.inputs[carried + k], Port::strided, 0), type_of(node.inputs[carried + k])));
  if (is_scan) {
    const auto axis = node.attrs.ints("scan_input_axes", std::vector<std::int64_t>(scanned, 0))[0];
    const ir::SymShape& shape = graph_.value(node.inputs[carried]).type.shape;
    loop.max_trips = b_.range(shape[std::size_t(axis < 0 ? axis + std::int64_t(shape.size()) : axis)]).high;
  }

  // Results of the loop, set before the body so that its extents' registers exist outside.
  const std::set<ir::ValueId> results(node.outputs.begin(), node.outputs.end());
  std::vector<int> results_operands;
  std::vector<Place> result_places;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const TypedShape type = type_of(node.outputs[i]);
    const auto target = targets_.find(node.outputs[i]);
    result_places.push_back(target != targets_.end() ? target->second : memory(type));
    results_operands.push_back(loop_operand(result_places.back(), type, results));
  }

  // The body's inputs.
  const int region = int(b_.plan.regions.size());
  b_.plan.regions.emplace_back();
  loop.region = region;
  b_.scalars.push_scope();
  RegionPlanner inner(b_, body, region, this, choices_);
  const auto body_input = [&](std::size_t i) {
    const ir::ValueId v = body.inputs()[i];
    const Place place = memory(body_type(v));
    inner.bind(v, place);
    return loop_operand(place, body_type(v), {v});
  };
  if (!is_scan) {
    loop.body_iteration = body_input(0);
    loop.body_condition_in = body_input(1);
  }
  std::vector<int> body_carried_in, body_scanned;
  for (std::size_t k = 0; k < carried; ++k) body_carried_in.push_back(body_input(first_in + k));
  for (std::size_t k = 0; k < scanned; ++k) body_scanned.push_back(body_input(carried + k));
  for (std::size_t i = first_in + carried + scanned; i < body.inputs().size(); ++i)
    capture(inner, body.inputs()[i], node.inputs[i]);
  const Range program = b_.scalars.flush();

  std::vector<Place> outputs;
  for (const auto& o : body.outputs()) outputs.push_back(memory(body_type(o.value)));
  inner.run(outputs);
  inner.await_all();
  std::vector<int> body_carried_out, body_stacked;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int operand = b_.operand(outputs[i], body_type(body.outputs()[i].value));
    if (!is_scan && i == 0) loop.body_condition_out = operand;
    else if (i < first_out + carried) body_carried_out.push_back(operand);
    else body_stacked.push_back(operand);
  }
  Region& r = b_.plan.regions[std::size_t(region)];
  r.program = b_.scalars.flush();
  r.steps = {std::uint32_t(b_.plan.steps.size()), std::uint32_t(inner.steps().size())};
  b_.plan.steps.insert(b_.plan.steps.end(), inner.steps().begin(), inner.steps().end());
  b_.scalars.pop_scope();

  loop.carried_in = range_of(carried_in);
  loop.body_carried_in = range_of(body_carried_in);
  loop.body_carried_out = range_of(body_carried_out);
  loop.carried_out = range_of({results_operands.begin(), results_operands.begin() + std::ptrdiff_t(carried)});
  loop.scanned = range_of(scanned_in);
  loop.body_scanned = range_of(body_scanned);
  loop.body_scan_out = range_of(body_stacked);
  loop.scan_out = range_of({results_operands.begin() + std::ptrdiff_t(carried), results_operands.end()});
  if (is_scan) {
    loop.scan_axes.begin = std::uint32_t(b_.plan.ints.size());
    const auto add = [&](const char* name, std::size_t count, bool axes) {
      const auto list = node.attrs.ints(name, std::vector<std::int64_t>(count, 0));
      for (std::size_t k = 0; k < count; ++k) {
        const ir::ValueId v = std::string_view(name).find("input") != std::string_view::npos
                                  ? node.inputs[carried + k]
                                  : node.outputs[carried + k];
        const auto rank = std::int64_t(graph_.value(v).type.shape.size());
        b_.plan.ints.push_back(axes && list[k] < 0 ? list[k] + rank : list[k]);
      }
    };
    add("scan_input_axes", scanned, true);
    add("scan_input_directions", scanned, false);
    add("scan_output_axes", stacked, true);
    add("scan_output_directions", stacked, false);
    loop.scan_axes.count = std::uint32_t(b_.plan.ints.size()) - loop.scan_axes.begin;
  }

  Step step;
  step.kind = StepKind::loop;
  identify(step, node);
  step.loop = std::int32_t(b_.plan.loops.size());
  b_.plan.loops.push_back(loop);
  // Whatever an iteration reads from outside is read again by the next: it lives until the loop ends.
  const int end = b_.time();
  for (int s = 0; s < storages_before; ++s)
    if (b_.storage(s).base == Base::arena && b_.storage(s).last >= begin) b_.touch(s, end);
  for (const int s : own) {
    b_.touch(s, begin);
    b_.touch(s, end);
  }
  b_.add_step(steps_, step);
  steps_.back().program = program;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) set_form(node.outputs[i], result_places[i]);
}

}  // namespace monza::plan
