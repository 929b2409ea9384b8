#include "plan/region_scope.h"

#include <algorithm>

#include "tensor/storage.h"

namespace monza::plan {

RegionScope::RegionScope(PlanBuilder& plan_builder, ir::Graph& planned, int index, std::vector<Choice>& made)
    : builder(plan_builder),
      graph(planned),
      region(index),
      choices(made),
      facts(plan_builder, planned),
      candidates(plan_builder, facts) {}

Place RegionScope::dense_memory(const TypedShape& type, int device) {
  Place place;
  place.stride = dense_strides(type.shape);
  place.storage = builder.add_arena(type.dtype, type.shape, Layout::strided, device, region);
  return place;
}

Step& RegionScope::copy(const Place& from, const Place& to, const TypedShape& type) {
  Step step;
  const int in = builder.operand(from, type), out = builder.operand(to, type);
  step.inputs = {static_cast<std::uint32_t>(in), 1};
  step.outputs = {static_cast<std::uint32_t>(out), 1};
  step.device = static_cast<std::uint8_t>(device_of(to));
  step.kernel = builder.kernel_ref(candidates.copy_kernel(from.layout, to.layout, type, device_of(to)));
  step.bytes = 2.f * static_cast<float>(storage_bytes(type.dtype, builder.largest(type.shape)));
  builder.add_step(steps, step);
  return steps.back();
}

Step& RegionScope::transfer(const Place& from, const Place& to, const TypedShape& type) {
  Step step;
  step.kind = StepKind::copy;
  step.device = static_cast<std::uint8_t>(std::max(device_of(from), device_of(to)));
  step.inputs = {static_cast<std::uint32_t>(builder.operand(from, type)), 1};
  step.outputs = {static_cast<std::uint32_t>(builder.operand(to, type)), 1};
  step.bytes = static_cast<float>(storage_bytes(type.dtype, builder.typical(type.shape)));
  builder.storage(to.storage).arrives |= device_of(to) == 0;
  builder.add_step(steps, step);
  return steps.back();
}

void RegionScope::wait(const Place& place, const TypedShape& type, ir::ValueId value) {
  Step step;
  step.kind = StepKind::wait;
  step.inputs = {static_cast<std::uint32_t>(builder.operand(place, type)), 1};
  identify(step, value, "wait for " + facts.name_of(graph.value(value)));
  builder.add_step(steps, step);
}

void RegionScope::wait_for_all() {
  if (std::all_of(steps.begin(), steps.end(), [](const Step& s) { return s.device == 0; })) return;
  Step step;
  step.kind = StepKind::wait;
  step.name = builder.plan.intern("wait for the body's end");
  builder.add_step(steps, step);
}

void RegionScope::identify(Step& step, const ir::Node& node) {
  step.name = builder.plan.intern(facts.name_of(node));
  step.nodes = builder.nodes(graph.model(), node.origins);
  step.value = node.outputs.empty() ? kNoValue : node.outputs[0];
}

void RegionScope::identify(Step& step, ir::ValueId value, std::string_view name) {
  step.name = builder.plan.intern(name);
  step.value = value;
}

}  // namespace monza::plan
