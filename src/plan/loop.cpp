#include <algorithm>
#include <memory>
#include <set>
#include <span>
#include <string_view>

#include "ir/op.h"
#include "plan/control_flow.h"
#include "plan/region_planner.h"

namespace monza::plan {
namespace {

/// The extent atom of `value` that the expression is, or null.
std::shared_ptr<const ir::Atom> own_extent(const ir::Expr& e, ir::ValueId value) {
  if (e.is_constant()) return nullptr;
  const auto terms = e.terms();
  if (terms.size() != 1 || terms[0].atoms.size() != 1 || terms[0].coefficient != 1) return nullptr;
  const std::shared_ptr<const ir::Atom> atom = terms[0].atoms[0];
  return atom->kind == ir::AtomKind::extent && atom->value == value ? atom : nullptr;
}

/// A Loop or Scan on its way to be a step.
class LoopPlan {
 public:
  LoopPlan(RegionScope& scope, RegionValues& values, const Targets& targets, ir::Node& node)
      : s_(scope), b_(scope.builder), values_(values), targets_(targets), node_(node) {}
  void plan();

 private:
  Place memory(const TypedShape& type);
  int written_operand(const Place& place, const TypedShape& type, const std::set<ir::ValueId>& bound_to);
  void take_inputs();
  std::int64_t most_trips() const;
  void place_results();
  Range plan_body();
  void bind_body_inputs(RegionPlanner& inner);
  void list_operands();
  void list_scan_axes();
  void keep_alive(int begin, int storages_before);

  RegionScope& s_;
  PlanBuilder& b_;
  RegionValues& values_;
  const Targets& targets_;
  ir::Node& node_;
  const bool is_scan_ = std::string_view(node_.op->name) == "Scan";
  ir::Graph& body_ = *node_.bodies[0];
  const std::size_t carried_ = static_cast<std::size_t>(attrs_of(node_).i("carried"));
  const std::size_t scanned_ = is_scan_ ? static_cast<std::size_t>(attrs_of(node_).i("scanned")) : 0;
  const std::size_t first_in_ = is_scan_ ? 0 : 2, first_out_ = is_scan_ ? 0 : 1;  ///< of the carried values
  LoopInfo info_ = {};
  std::vector<int> own_;  ///< storages that live through the whole loop
  std::vector<Place> result_places_;
  // Operands.
  std::vector<int> carried_in_, scanned_in_, results_;
  std::vector<int> body_carried_in_, body_scanned_, body_carried_out_, body_stacked_;
};

Place LoopPlan::memory(const TypedShape& type) {
  const Place place = s_.dense_memory(type, 0);
  own_.push_back(place.storage);
  return place;
}

/// An operand that a loop writes: dense, its own memory; extents that the loop sets get fresh registers (`bound_to`).
int LoopPlan::written_operand(const Place& place, const TypedShape& type, const std::set<ir::ValueId>& bound_to) {
  std::uint16_t bound = 0;
  for (std::size_t a = 0; a < type.shape.size(); ++a) {
    const auto sets = [&](ir::ValueId v) { return own_extent(type.shape[a], v) != nullptr; };
    if (std::none_of(bound_to.begin(), bound_to.end(), sets)) continue;
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

/// What the loop reads of the outside, all on the host.
void LoopPlan::take_inputs() {
  const auto operand = [&](std::size_t i, Port port) {
    return b_.operand(values_.ensure(node_.inputs[i], port, 0), s_.facts.type_of(node_.inputs[i]));
  };
  if (!is_scan_) {
    info_.trip_count = node_.inputs[0] == ir::kNone ? -1 : operand(0, Port::dense);
    info_.condition = node_.inputs[1] == ir::kNone ? -1 : operand(1, Port::dense);
  }
  for (std::size_t k = 0; k < carried_; ++k) carried_in_.push_back(operand(first_in_ + k, Port::strided));
  for (std::size_t k = 0; k < scanned_; ++k) scanned_in_.push_back(operand(carried_ + k, Port::strided));
}

std::int64_t LoopPlan::most_trips() const {
  if (is_scan_) {
    const ir::SymShape& shape = s_.graph.value(node_.inputs[carried_]).type.shape;
    const std::int64_t axis = attrs_of(node_).ints("scan_input_axes", scanned_)[0];
    return b_.range(shape[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(shape.size()) : axis)])
        .high;
  }
  const std::int64_t limit = s_.graph.model().limits.trips;
  if (info_.trip_count < 0) return limit;
  ir::InferContext context(s_.graph, node_);
  return std::clamp<std::int64_t>(b_.range(context.content(0)[0]).high, 0, limit);
}

/// Set before the body, so that its extents' registers exist outside.
void LoopPlan::place_results() {
  const std::set<ir::ValueId> results(node_.outputs.begin(), node_.outputs.end());
  for (const ir::ValueId v : node_.outputs) {
    const TypedShape type = s_.facts.type_of(v);
    const Place* target = targets_.place_of(v);
    result_places_.push_back(target != nullptr ? *target : memory(type));
    results_.push_back(written_operand(result_places_.back(), type, results));
  }
}

/// Memory for what the loop writes between iterations; what the body captures lies where it lies.
void LoopPlan::bind_body_inputs(RegionPlanner& inner) {
  const auto own = [&](std::size_t i) {
    const ir::ValueId v = body_.inputs()[i];
    const TypedShape type = stored_type(body_.value(v).type);
    const Place place = memory(type);
    inner.bind(v, place);
    return written_operand(place, type, {v});
  };
  if (!is_scan_) {
    info_.body_iteration = own(0);
    info_.body_condition_in = own(1);
  }
  for (std::size_t k = 0; k < carried_; ++k) body_carried_in_.push_back(own(first_in_ + k));
  for (std::size_t k = 0; k < scanned_; ++k) body_scanned_.push_back(own(carried_ + k));
  for (std::size_t i = first_in_ + carried_ + scanned_; i < body_.inputs().size(); ++i)
    for (const Place& p : values_.one_a_device(node_.inputs[i])) inner.bind(body_.inputs()[i], p);
}

/// The body's region; returns the program of the loop's step, which runs before it.
Range LoopPlan::plan_body() {
  const auto body_type = [&](const ir::Graph::Output& o) { return stored_type(body_.value(o.value).type); };
  const int region = b_.begin_region();
  info_.region = region;
  b_.scalars.push_scope();
  RegionPlanner inner(b_, body_, region, s_.choices);
  bind_body_inputs(inner);
  const Range program = b_.scalars.flush();

  std::vector<Place> outputs;
  for (const auto& o : body_.outputs()) outputs.push_back(memory(body_type(o)));
  inner.run(outputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int operand = b_.operand(outputs[i], body_type(body_.outputs()[i]));
    if (!is_scan_ && i == 0) info_.body_condition_out = operand;
    else if (i < first_out_ + carried_) body_carried_out_.push_back(operand);
    else body_stacked_.push_back(operand);
  }
  inner.end();
  b_.scalars.pop_scope();
  return program;
}

/// Operands of one list lie together: copies of those made before.
void LoopPlan::list_operands() {
  const auto range_of = [&](std::span<const int> list) {
    const Range range{static_cast<std::uint32_t>(b_.plan.operands.size()), static_cast<std::uint32_t>(list.size())};
    for (const int o : list) b_.repeat_operand(o);
    return range;
  };
  const std::span<const int> results = results_;
  info_.carried_in = range_of(carried_in_);
  info_.body_carried_in = range_of(body_carried_in_);
  info_.body_carried_out = range_of(body_carried_out_);
  info_.carried_out = range_of(results.first(carried_));
  info_.scanned = range_of(scanned_in_);
  info_.body_scanned = range_of(body_scanned_);
  info_.body_scan_out = range_of(body_stacked_);
  info_.scan_out = range_of(results.subspan(carried_));
}

void LoopPlan::list_scan_axes() {
  const auto add = [&](const char* name, std::size_t count, const ir::ValueId* values, bool axes) {
    const auto list = attrs_of(node_).ints(name, count);
    for (std::size_t k = 0; k < count; ++k) {
      const auto rank = static_cast<std::int64_t>(s_.graph.value(values[k]).type.shape.size());
      b_.plan.ints.push_back(axes && list[k] < 0 ? list[k] + rank : list[k]);
    }
  };
  const ir::ValueId *scanned = node_.inputs.data() + carried_, *stacked = node_.outputs.data() + carried_;
  const std::size_t stacks = node_.outputs.size() - carried_;
  info_.scan_axes.begin = static_cast<std::uint32_t>(b_.plan.ints.size());
  add("scan_input_axes", scanned_, scanned, true);
  add("scan_input_directions", scanned_, scanned, false);
  add("scan_output_axes", stacks, stacked, true);
  add("scan_output_directions", stacks, stacked, false);
  info_.scan_axes.count = static_cast<std::uint32_t>(b_.plan.ints.size()) - info_.scan_axes.begin;
}

/// Whatever an iteration reads from outside is read again by the next: it lives until the loop ends.
void LoopPlan::keep_alive(int begin, int storages_before) {
  const int end = b_.time();
  for (int s = 0; s < storages_before; ++s)
    if (b_.storage(s).base == Base::arena && b_.storage(s).last >= begin) b_.touch(s, end);
  for (const int s : own_) {
    b_.touch(s, begin);
    b_.touch(s, end);
  }
}

void LoopPlan::plan() {
  const int begin = b_.time(), storages_before = b_.storage_count();
  info_.is_scan = is_scan_ ? 1 : 0;
  take_inputs();
  info_.max_trips = most_trips();
  place_results();
  const Range program = plan_body();
  list_operands();
  if (is_scan_) list_scan_axes();

  Step step;
  step.kind = StepKind::loop;
  s_.identify(step, node_);
  step.loop = static_cast<std::int32_t>(b_.plan.loops.size());
  b_.plan.loops.push_back(info_);
  keep_alive(begin, storages_before);
  b_.add_step(s_.steps, step);
  s_.steps.back().program = program;
  for (std::size_t i = 0; i < node_.outputs.size(); ++i) values_.set_place(node_.outputs[i], result_places_[i]);
}

}  // namespace

void plan_loop(RegionScope& scope, RegionValues& values, const Targets& targets, ir::Node& node) {
  LoopPlan(scope, values, targets, node).plan();
}

}  // namespace monza::plan
