// The copies between devices that follow from where nodes are computed, and what the host waits for.
//
// Only the host is connected with every device: a value goes from one to another by way of its memory. Copies move
// dense elements, so what lies otherwise is rearranged on the device where it lies.
#include <algorithm>

#include "plan/region_planner.h"
#include "tensor/storage.h"

namespace monza::plan {

bool RegionPlanner::lies_on(ir::ValueId value, int device) {
  const std::vector<Place>& places = forms_[value];
  return std::any_of(places.begin(), places.end(), [&](const Place& p) { return device_of(p) == device; });
}

Place RegionPlanner::on_device(ir::ValueId value, int device) {
  for (const Place& p : forms(value, device))
    if (device_of(p) == device) return p;
  const TypedShape type = type_of(value);
  Place to;
  to.stride = dense_strides(type.shape);
  to.storage = b_.add_arena(type.dtype, type.shape, Layout::strided, device, region_);
  deliver(value, to, (device == 0 ? "fetch " : "send ") + name_of(graph_.value(value)));
  add_form(value, to);
  return to;
}

void RegionPlanner::deliver(ir::ValueId value, const Place& to, const std::string& name) {
  const TypedShape type = type_of(value);
  const int device = device_of(to);
  if (!forms(value, device).empty() && lies_on(value, device))
    return identify(copy(on_device(value, device), to, type), value, name);
  if (!is_dense(to, type.shape)) {
    on_device(value, device);
    return deliver(value, to, name);
  }
  if (device != 0) on_device(value, 0);
  const int source = device != 0 ? 0 : device_of(forms(value)[0]);
  identify(transfer(ensure(value, Port::dense, source), to, type), value, name);
}

Step& RegionPlanner::transfer(const Place& from, const Place& to, const TypedShape& type) {
  Step step;
  step.kind = StepKind::copy;
  step.device = static_cast<std::uint8_t>(std::max(device_of(from), device_of(to)));
  step.inputs = {static_cast<std::uint32_t>(b_.operand(from, type)), 1};
  step.outputs = {static_cast<std::uint32_t>(b_.operand(to, type)), 1};
  step.bytes = static_cast<float>(storage_bytes(type.dtype, b_.typical(type.shape)));
  b_.storage(to.storage).arrives |= device_of(to) == 0;
  b_.add_step(steps_, step);
  return steps_.back();
}

void RegionPlanner::await(const Place& place, const TypedShape& type, ir::ValueId value) {
  Step step;
  step.kind = StepKind::wait;
  step.inputs = {static_cast<std::uint32_t>(b_.operand(place, type)), 1};
  identify(step, value, "wait for " + name_of(graph_.value(value)));
  b_.add_step(steps_, step);
}

void RegionPlanner::await_all() {
  if (std::all_of(steps_.begin(), steps_.end(), [](const Step& s) { return s.device == 0; })) return;
  Step step;
  step.kind = StepKind::wait;
  step.name = b_.plan.intern("wait for the body's end");
  b_.add_step(steps_, step);
}

void RegionPlanner::capture(RegionPlanner& inner, ir::ValueId input, ir::ValueId value) {
  const std::vector<Place>& places = forms(value);
  inner.bind(input, places[0]);
  for (int device = 0; device < static_cast<int>(b_.plan.devices.size()); ++device) {
    if (device == device_of(places[0])) continue;
    const auto other =
        std::find_if(places.begin(), places.end(), [&](const Place& p) { return device_of(p) == device; });
    if (other != places.end()) inner.bind(input, *other);
  }
}

}  // namespace monza::plan
