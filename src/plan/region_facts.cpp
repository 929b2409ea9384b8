#include "plan/region_facts.h"

#include <algorithm>

#include "base/constraint.h"
#include "base/error.h"
#include "plan/element_bounds.h"
#include "tensor/dtype.h"

namespace monza::plan {

namespace {

/// Whether a node works on what only the host has: control flow, the pool of strings and lists, sequences' states.
bool is_of_host(const ir::Graph& graph, const ir::Node& node) {
  if (has(node.op->flags, ir::OpFlag::control)) return true;
  const auto of_host = [&](ir::ValueId v) {
    if (v == ir::kNone) return false;
    const ir::Type& type = graph.value(v).type;
    return type.kind != ir::ValueKind::tensor || type.dtype == DType::string;
  };
  return std::any_of(node.inputs.begin(), node.inputs.end(), of_host) ||
         std::any_of(node.outputs.begin(), node.outputs.end(), of_host);
}

}  // namespace

RegionFacts::RegionFacts(const PlanBuilder& builder, const ir::Graph& graph) : b_(builder), graph_(graph) {
  find_needed();
}

TypedShape RegionFacts::type_of(ir::ValueId value) const { return stored_type(graph_.value(value).type); }

std::string RegionFacts::name_of(const ir::Node& node) const {
  std::string name;
  constexpr int kMostNamed = 32;
  int named = 0;
  for (const std::uint32_t o : node.origins) {
    const ir::Origin& origin = graph_.model().origins[o];
    if (!is_named_node(origin)) continue;
    if (++named > kMostNamed) {
      name += " + ...";
      break;
    }
    name += (name.empty() ? "" : " + ") + origin.name;
  }
  return name.empty() ? std::string(node.op->name) : name;
}

std::string RegionFacts::name_of(const ir::Value& value) const {
  if (!value.name.empty() || value.origins.empty()) return value.name;
  return graph_.model().origins[value.origins[0]].name;
}

std::vector<int> RegionFacts::devices_of(const ir::Node& node) const {
  const auto& devices = b_.plan.devices;
  if (devices.size() == 1) return {0};
  Devices allowed = node.constraint.devices;
  if (is_of_host(graph_, node)) {
    if (!allowed.empty() && !allowed.contains(Device::cpu))
      throw Error(fmt::format("it runs on the host, and is to run on device '{}'", to_string(allowed)),
                  "leave control flow, strings, lists and states of sequences where they are");
    return {0};
  }
  if (allowed.empty()) allowed = {b_.options.device};
  std::vector<int> list;
  for (std::size_t d = 0; d < devices.size(); ++d)
    if (allowed.contains(Device(devices[d].kind))) list.push_back(static_cast<int>(d));
  // Where nothing is timed the first one decides.
  std::stable_partition(list.begin(), list.end(),
                        [&](int d) { return Device(devices[static_cast<std::size_t>(d)].kind) == b_.options.device; });
  return list;
}

const RegionFacts::Aliases& RegionFacts::aliases_of(const ir::Node& node) const {
  const auto [it, added] = aliases_.try_emplace(node.id);
  if (!added) return it->second;
  std::vector<ir::Alias>& list = it->second.list;
  if (node.op->aliases != nullptr) node.op->aliases({graph_, node}, list);
  it->second.view = list.size() == node.outputs.size() && std::all_of(list.begin(), list.end(), [](const ir::Alias& a) {
                      return a.kind != ir::Alias::Kind::placement;
                    });
  return it->second;
}

bool RegionFacts::is_concat(const ir::Node& node) const {
  const auto& list = aliases(node);
  return !list.empty() && list[0].kind == ir::Alias::Kind::placement && list.size() == node.inputs.size() &&
         dtype_bits(graph_.value(node.outputs[0]).type.dtype) >= 8;
}

void RegionFacts::find_needed() {
  collect_elements(graph_, elements_);
  for (const auto& [value, index] : graph_.model().specialised) elements_[value].insert(index);
  std::vector<ir::ValueId> work;
  std::set<ir::ValueId> seen;
  const auto want = [&](ir::ValueId v) {
    if (v != ir::kNone && graph_.has_value(v) && seen.insert(v).second) work.push_back(v);
  };
  for (const auto& o : graph_.outputs()) want(o.value);
  for (const ir::NodeId n : graph_.order())
    if (has(graph_.node(n).op->flags, ir::OpFlag::effect))
      for (const ir::ValueId v : graph_.node(n).outputs) want(v);
  while (!work.empty()) {
    const ir::Value& value = graph_.value(work.back());
    work.pop_back();
    std::map<ir::ValueId, std::set<std::int64_t>> read;
    for (const ir::Expr& e : value.type.shape) collect_elements(e, read);
    for (const auto& [v, indices] : read) want(v);
    if (value.producer == ir::kNone) continue;
    const ir::Node& node = graph_.node(value.producer);
    if (!needed_.insert(node.id).second) continue;
    for (const auto& body : node.bodies) {
      read.clear();
      collect_elements(*body, read);
      for (const auto& [v, indices] : read) want(v);
    }
    for (const ir::ValueId o : node.outputs)
      for (const ir::Expr& e : graph_.value(o).type.shape) collect_elements(e, read);
    for (const auto& [v, indices] : read) want(v);
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (reads_elements(node, i)) want(node.inputs[i]);
  }
  for (const ir::NodeId n : needed_) {
    const ir::Node& node = graph_.node(n);
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != ir::kNone && reads_elements(node, i)) ++uses_[node.inputs[i]];
  }
  for (const auto& o : graph_.outputs()) ++uses_[o.value];
}

}  // namespace monza::plan
