#include "plan/region_values.h"

#include <algorithm>

#include "base/error.h"

namespace monza::plan {

const std::vector<Place>& RegionValues::places(ir::ValueId value, int device) {
  auto& list = places_[value];
  const ir::Value& v = s_.graph.value(value);
  if (list.empty() && !v.constant) fail("value %{} is read before it is planned", value);
  if (v.constant && !lies_on(value, device))
    list.push_back(s_.builder.constant_place(v.constant, s_.facts.name_of(v), device));
  return list;
}

void RegionValues::add_place(ir::ValueId value, const Place& place) {
  places_[value].push_back(place);
  holders_[place.storage].push_back(value);
}

void RegionValues::prefer_place(ir::ValueId value, const Place& place) {
  add_place(value, place);
  std::vector<Place>& list = places_[value];
  std::rotate(list.begin(), list.end() - 1, list.end());
}

void RegionValues::set_place(ir::ValueId value, const Place& place) {
  places_[value].clear();
  add_place(value, place);
}

bool RegionValues::lies_on(ir::ValueId value, int device) {
  const std::vector<Place>& list = places_[value];
  return std::any_of(list.begin(), list.end(), [&](const Place& p) { return s_.device_of(p) == device; });
}

std::vector<Place> RegionValues::one_a_device(ir::ValueId value) {
  const std::vector<Place>& list = places(value);
  std::vector<Place> chosen{list[0]};
  for (int device = 0; device < static_cast<int>(s_.builder.plan.devices.size()); ++device) {
    if (device == s_.device_of(list[0])) continue;
    const auto other =
        std::find_if(list.begin(), list.end(), [&](const Place& p) { return s_.device_of(p) == device; });
    if (other != list.end()) chosen.push_back(*other);
  }
  return chosen;
}

bool RegionValues::lies_dense_at(ir::ValueId value, const Place& place) {
  const ir::SymShape shape = s_.facts.type_of(value).shape;
  const std::vector<Place>& list = places(value);
  return std::any_of(list.begin(), list.end(), [&](const Place& p) {
    return p.storage == place.storage && p.offset == place.offset && is_dense(p, shape);
  });
}

Place RegionValues::ensure(ir::ValueId value, Port port, int device, const Place* uniform) {
  const TypedShape type = s_.facts.type_of(value);
  const auto fits = [&](const Place& p) {
    if (s_.device_of(p) != device) return false;
    return uniform != nullptr ? same_form(p, *uniform, type.shape) : satisfies(port, p, type.shape);
  };
  for (const Place& p : places(value, device))
    if (fits(p)) return p;
  if (const Place p = on_device(value, device); fits(p)) return p;

  Place to =
      uniform != nullptr ? Place{.layout = uniform->layout, .stride = uniform->stride} : form_place(port, type.shape);
  const ir::Value& v = s_.graph.value(value);
  if (v.constant) {
    to = s_.builder.converted_constant(v.constant, v.name, to, device);
  } else {
    to.storage = s_.builder.add_arena(type.dtype, type.shape, to.layout, device, s_.region);
    s_.identify(s_.copy(on_device(value, device), to, type), value, "convert " + s_.facts.name_of(v));
  }
  add_place(value, to);
  return to;
}

Place RegionValues::on_device(ir::ValueId value, int device) {
  for (const Place& p : places(value, device))
    if (s_.device_of(p) == device) return p;
  const Place to = s_.dense_memory(s_.facts.type_of(value), device);
  deliver(value, to, (device == 0 ? "fetch " : "send ") + s_.facts.name_of(s_.graph.value(value)));
  add_place(value, to);
  return to;
}

void RegionValues::deliver(ir::ValueId value, const Place& to, const std::string& name) {
  const TypedShape type = s_.facts.type_of(value);
  const int device = s_.device_of(to);
  if (!places(value, device).empty() && lies_on(value, device))
    return s_.identify(s_.copy(on_device(value, device), to, type), value, name);
  if (!is_dense(to, type.shape)) {
    on_device(value, device);
    return deliver(value, to, name);
  }
  if (device != 0) on_device(value, 0);
  const int source = device != 0 ? 0 : s_.device_of(places(value)[0]);
  s_.identify(s_.transfer(ensure(value, Port::dense, source), to, type), value, name);
}

void RegionValues::mark_read(const ir::Node& node) {
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ir::kNone && reads_elements(node, i)) --uses_[node.inputs[i]];
}

bool RegionValues::may_overwrite(const ir::Node& node, int input) {
  const ir::ValueId v = node.inputs[static_cast<std::size_t>(input)];
  if (uses_[v] != 1) return false;
  const Place place = places(v)[0];
  const Storage& storage = s_.builder.storage(place.storage);
  if (storage.base != Base::arena || storage.region != s_.region) return false;
  std::vector<ir::ValueId>& holders = holders_[place.storage];
  std::erase_if(holders, [&](ir::ValueId other) { return uses_[other] <= 0; });
  return std::none_of(holders.begin(), holders.end(), [&](ir::ValueId other) {
    const std::vector<Place>& list = places_[other];
    return other != v &&
           std::any_of(list.begin(), list.end(), [&](const Place& p) { return p.storage == place.storage; });
  });
}

}  // namespace monza::plan
