#include "engine/constraints.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/constraint.h"
#include "base/error.h"
#include "base/nearest.h"
#include "engine/explain.h"

namespace monza {
namespace {

/// Whether the text fits a pattern in which `*` stands for any text and `?` for one character.
bool fits(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != pattern.npos) {  // the last star takes one character more
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

/// The origins of ONNX nodes of that name, or that make tensors of that name.
std::set<std::uint32_t> origins_named(const std::string& pattern, const ir::Model& model,
                                      const std::vector<NamedTensor>& tensors) {
  std::set<std::uint32_t> found;
  for (std::uint32_t o = 0; o < model.origins.size(); ++o)
    if (is_node(model.origins[o]) && fits(pattern, model.origins[o].name)) found.insert(o);
  for (const NamedTensor& t : tensors)
    if (fits(pattern, t.name)) found.insert(t.origins.begin(), t.origins.end());
  return found;
}

template <typename F>
void for_all_nodes(ir::Graph& graph, F&& f) {
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = std::as_const(graph).node(id);
    f(graph, node);
    for (std::size_t b = 0; b < node.bodies.size(); ++b) for_all_nodes(graph.body(id, b), f);
  }
}

[[noreturn]] void refuse_unknown(const std::string& name, const ir::Model& model,
                                 const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const ir::Origin& o : model.origins)
    if (is_node(o)) names.push_back(o.name);
  for (const NamedTensor& t : tensors) names.push_back(t.name);
  const std::string near = one_of(nearest_names(name, names));
  fail_hint(near.empty() ? "`monza inspect MODEL --imported` lists the nodes" : near,
            "a constraint is on '{}', and the model has no node and no tensor of that name", name);
}

}  // namespace

void constrain_nodes(ir::Graph& graph, const std::vector<NamedTensor>& tensors, const BuildOptions& options) {
  if (const Constraint all{allowed_by(options.precision), {}}; all.precisions != kOwnPrecisions)
    for_all_nodes(graph, [&](ir::Graph& g, const ir::Node& node) { g.constrain(node.id, all); });
  for (const NodeConstraint& asked : options.constraints) {
    const std::set<std::uint32_t> origins = origins_named(asked.nodes, std::as_const(graph).model(), tensors);
    if (origins.empty()) refuse_unknown(asked.nodes, std::as_const(graph).model(), tensors);
    for_all_nodes(graph, [&](ir::Graph& g, const ir::Node& node) {
      if (std::none_of(node.origins.begin(), node.origins.end(), [&](std::uint32_t o) { return origins.contains(o); }))
        return;
      Constraint constraint = node.constraint;
      if (!asked.constraint.precisions.empty()) constraint.precisions = asked.constraint.precisions;
      if (!asked.constraint.devices.empty()) constraint.devices = asked.constraint.devices;
      g.constrain(node.id, constraint);
    });
  }
}

std::string constraints_key(const BuildOptions& options) {
  std::string key = precision_name(options.precision);
  for (const NodeConstraint& c : options.constraints)
    key += fmt::format(" {}:{}={};{}", c.nodes.size(), c.nodes, to_string(c.constraint.precisions),
                       to_string(c.constraint.devices));
  return key;
}

}  // namespace monza
