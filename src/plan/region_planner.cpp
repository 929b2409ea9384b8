#include "plan/region_planner.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"
#include "kernel/check.h"
#include "kernel/nothing.h"
#include "kernel/ports.h"
#include "kernel/registry.h"
#include "plan/layouts.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::plan {

RegionPlanner::RegionPlanner(PlanBuilder& builder, ir::Graph& graph, int region, std::vector<Choice>& choices)
    : b_(builder), graph_(graph), facts_(builder, graph), region_(region), choices_(choices), uses_(facts_.uses()) {}

void RegionPlanner::identify(Step& step, const ir::Node& node) {
  step.name = b_.plan.intern(name_of(node));
  step.nodes = b_.nodes(graph_.model(), node.origins);
  step.value = node.outputs.empty() ? kNoValue : node.outputs[0];
}

void RegionPlanner::identify(Step& step, ir::ValueId value, std::string_view name) {
  step.name = b_.plan.intern(name);
  step.value = value;
}

const std::vector<Place>& RegionPlanner::forms(ir::ValueId value, int device) {
  auto& list = forms_[value];
  const ir::Value& v = graph_.value(value);
  if (list.empty() && !v.constant) fail("value %{} is read before it is planned", value);
  if (v.constant && !lies_on(value, device)) list.push_back(b_.constant_place(v.constant, name_of(v), device));
  return list;
}

void RegionPlanner::add_form(ir::ValueId value, const Place& place) {
  forms_[value].push_back(place);
  holders_[place.storage].push_back(value);
}

void RegionPlanner::set_form(ir::ValueId value, const Place& place) {
  forms_[value].clear();
  add_form(value, place);
}

void RegionPlanner::load_elements(ir::ValueId value) {
  const auto it = facts_.elements().find(value);
  if (it == facts_.elements().end()) return;
  const Place place = on_device(value, 0);
  if (b_.storage(place.storage).arrives) await(place, type_of(value), value);
  const int operand = b_.operand(place, type_of(value));
  const auto given = graph_.model().element_values.find(value);
  for (const std::int64_t index : it->second) {
    const ir::Expr atom = ir::Expr::element(value, index);
    if (b_.scalars.knows(atom)) continue;
    ScalarInstruction load;
    load.op = ScalarOp::load_element;
    load.dst = b_.scalars.fresh();
    load.a = operand;
    load.b = std::int32_t(index);
    b_.scalars.emit(load);
    b_.scalars.bind(atom, load.dst);
    if (given == graph_.model().element_values.end()) continue;
    Check check;
    check.low = check.high = given->second.at(std::size_t(index));
    check.what = b_.plan.intern(
        fmt::format("element {} of input '{}', to which this engine is specialised", index, graph_.value(value).name));
    ScalarInstruction test;
    test.op = ScalarOp::check_range;
    test.a = load.dst;
    test.b = std::int32_t(b_.plan.checks.size());
    b_.plan.checks.push_back(check);
    b_.scalars.emit(test);
  }
}

Step& RegionPlanner::copy(const Place& from, const Place& to, const TypedShape& type) {
  Step step;
  const int in = b_.operand(from, type), out = b_.operand(to, type);
  step.inputs = {std::uint32_t(in), 1};
  step.outputs = {std::uint32_t(out), 1};
  step.device = std::uint8_t(device_of(to));
  step.kernel = b_.kernel_ref(candidates_.copy_kernel(from.layout, to.layout, type, device_of(to)));
  step.bytes = 2.f * float(storage_bytes(type.dtype, b_.largest(type.shape)));
  b_.add_step(steps_, step);
  return steps_.back();
}

Place RegionPlanner::ensure(ir::ValueId value, Port port, int device, const Place* uniform) {
  const TypedShape type = type_of(value);
  const auto fits = [&](const Place& p) {
    if (device_of(p) != device) return false;
    return uniform != nullptr ? same_form(p, *uniform, type.shape) : satisfies(port, p, type.shape);
  };
  for (const Place& p : forms(value, device))
    if (fits(p)) return p;
  if (const Place p = on_device(value, device); fits(p)) return p;

  Place to;
  to.layout = uniform ? uniform->layout : layout_of(port);
  if (uniform != nullptr) to.stride = uniform->stride;
  else if (port == Port::channels_last) to.stride = channels_last_strides(type.shape);
  else if (to.layout != Layout::strided) to.stride = blocked_strides(type.shape, block_of(to.layout));
  else to.stride = dense_strides(type.shape);

  const ir::Value& v = graph_.value(value);
  if (v.constant) {
    to = b_.converted_constant(v.constant, v.name, to, device);
  } else {
    to.storage = b_.add_arena(type.dtype, type.shape, to.layout, device, region_);
    identify(copy(on_device(value, device), to, type), value, "convert " + name_of(v));
  }
  add_form(value, to);
  return to;
}

bool RegionPlanner::plan_views(ir::Node& node) {
  if (!facts_.is_view_node(node)) return false;
  const auto& list = facts_.aliases(node);
  for (const ir::Alias& alias : list) {
    const ir::ValueId in = node.inputs[std::size_t(alias.input)], out = node.outputs[std::size_t(alias.output)];
    const ir::SymShape &in_shape = graph_.value(in).type.shape, &out_shape = graph_.value(out).type.shape;
    const bool whole_bytes = dtype_bits(graph_.value(out).type.dtype) >= 8 || alias.kind == ir::Alias::Kind::reshape;
    if (!whole_bytes) return false;
    // Looking at what lies there takes no device's work.
    std::optional<Place> view;
    for (const Place& p : forms(in))
      if (!view) view = view_of(p, in_shape, out_shape, alias);
    if (!view) view = view_of(ensure(in, Port::dense, device_of(forms(in)[0])), in_shape, out_shape, alias);
    if (!view) return false;
    if (b_.scope.copy_views) {
      Place to;
      to.stride = dense_strides(out_shape);
      const auto target = targets_.places.find(out);
      const int device = device_of(*view);
      if (target != targets_.places.end() && device_of(target->second) == device) to = target->second;
      else to.storage = b_.add_arena(graph_.value(out).type.dtype, out_shape, Layout::strided, device, region_);
      identify(copy(*view, to, type_of(out)), node);
      view = to;
    }
    set_form(out, *view);
  }
  check_views(node, list);
  return true;
}

void RegionPlanner::plan_concat(ir::Node& node) {
  const auto& list = facts_.aliases(node);
  // Without a buffer yet nothing lies in it: keep the form that the first input has.
  Port port = Port::dense;
  for (const ir::ValueId v : node.inputs) {
    if (graph_.value(v).constant) continue;
    const TypedShape type = type_of(v);
    const Place& p = forms(v)[0];
    if (type.shape.size() >= 3 && !is_dense(p, type.shape) && is_channels_last(p, type.shape))
      port = Port::channels_last;
    break;
  }
  const Place buffer = concat_buffer(node, port);
  const ir::SymShape out = type_of(node.outputs[0]).shape;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::ValueId v = node.inputs[i];
    const TypedShape type = type_of(v);
    // No kernel sees all inputs, so the extent program compares what only a run knows.
    const std::int64_t axis = attrs_of(node).i("axis");
    for (std::size_t a = 0; a < out.size(); ++a)
      if (std::int64_t(a) != (axis < 0 ? axis + std::int64_t(out.size()) : axis))
        check_equal(type.shape[a], out[a], fmt::format("axis {} of input {} of a concatenation", a, i));
    Place part = buffer;
    const auto offset = offset_at(buffer, list[i].start);
    if (!offset) fail("input {} of a concatenation does not begin a block of its buffer", i);
    part.offset = part.offset + *offset;
    const auto& places = forms(v, device_of(buffer));
    const bool there = std::any_of(places.begin(), places.end(), [&](const Place& p) {
      return p.storage == part.storage && p.offset == part.offset && same_form(p, part, type.shape);
    });
    if (!there) identify(copy(on_device(v, device_of(buffer)), part, type), node);
  }
  set_form(node.outputs[0], buffer);
}

void RegionPlanner::write_target(ir::ValueId value, bool view) {
  const auto target = targets_.places.find(value);
  // Memory of the arena is not free for the output's whole life: that copy waits for the end.
  if (target == targets_.places.end() || b_.storage(target->second.storage).base != Base::output) return;
  const TypedShape type = type_of(value);
  auto& places = forms_[value];
  if (std::any_of(places.begin(), places.end(), [&](const Place& p) {
        return p.storage == target->second.storage && p.offset == target->second.offset && is_dense(p, type.shape);
      }))
    return;
  const auto output =
      std::find_if(graph_.outputs().begin(), graph_.outputs().end(), [&](const auto& o) { return o.value == value; });
  deliver(value, target->second,
          output != graph_.outputs().end() ? "output " + output->name : graph_.value(value).name);
  // Later readers of a view keep nothing alive but the output; of a result in another order, they read it as it is.
  add_form(value, target->second);
  if (view) std::rotate(places.begin(), places.end() - 1, places.end());
}

void RegionPlanner::plan_node(ir::Node& node) {
  if (has(node.op->flags, ir::OpFlag::control)) (void)facts_.devices_of(node);  // Error where it cannot be the host
  if (std::string_view(node.op->name) == "If") plan_branch(node);
  else if (std::string_view(node.op->name) == "Loop") plan_loop(node, false);
  else if (std::string_view(node.op->name) == "Scan") plan_loop(node, true);
  else if (facts_.is_concat(node)) plan_concat(node);
  else if (!plan_views(node)) plan_kernel(node);
  const bool view = facts_.is_view_node(node);
  for (const ir::ValueId v : node.outputs) write_target(v, view);
  for (const ir::ValueId v : node.outputs) load_elements(v);
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ir::kNone && (i >= 32 || (node.op->shape_inputs >> i & 1u) == 0)) --uses_[node.inputs[i]];
}

void RegionPlanner::run(const std::vector<Place>& outputs) {
  targets_.find_outputs(facts_, outputs);
  if (!b_.scope.copy_views) targets_.find_parts(facts_);
  if (b_.scope.tactics != nullptr && !b_.scope.copy_views) {
    LayoutQuestion question{b_, facts_, candidates_, targets_, {}};
    for (const ir::ValueId v : graph_.inputs())
      if (const auto it = forms_.find(v); it != forms_.end() && !it->second.empty())
        question.inputs.emplace(v, it->second[0]);
    assigned_ = choose_layouts(question);
  }
  for (const ir::ValueId v : graph_.inputs()) load_elements(v);
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph_.order())) {
    if (!facts_.is_needed(id)) continue;
    ir::Node& node = graph_.node(id);
    try {
      plan_node(node);
    } catch (const Error& e) {
      if (!e.where().empty()) throw;
      throw e.at(ir::describe(graph_, node));
    }
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ir::ValueId v = graph_.outputs()[i].value;
    const TypedShape type = type_of(v);
    const auto& places = forms(v);
    const bool there = std::any_of(places.begin(), places.end(), [&](const Place& p) {
      return p.storage == outputs[i].storage && p.offset == outputs[i].offset && is_dense(p, type.shape);
    });
    if (!there) deliver(v, outputs[i], "output " + graph_.outputs()[i].name);
  }
}

}  // namespace monza::plan
