// What is known of a graph, or of a body, before anything of it is planned. Internal to src/plan.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"
#include "plan/builder.h"

namespace monza::plan {

/// Whether the node's kernel is given the elements of its input. Of those that only inference reads nothing need be
/// computed.
inline bool reads_elements(const ir::Node& node, std::size_t input) {
  return input >= 32 || (node.op->shape_inputs >> input & 1u) == 0;
}

class RegionFacts {
 public:
  /// Both must outlive it, and the graph must not change.
  RegionFacts(const PlanBuilder& builder, const ir::Graph& graph);

  const ir::Graph& graph() const { return graph_; }
  TypedShape type_of(ir::ValueId value) const;
  /// The ONNX nodes that it came from.
  std::string name_of(const ir::Node& node) const;
  std::string name_of(const ir::Value& value) const;
  /// Those that the node may run on, as indices into Plan::devices, the usual one first. Error when it cannot be where
  /// it is pinned.
  std::vector<int> devices_of(const ir::Node& node) const;

  const std::vector<ir::Alias>& aliases(const ir::Node& node) const { return aliases_of(node).list; }
  bool is_view_node(const ir::Node& node) const { return aliases_of(node).view; }
  /// Whether its inputs can be computed inside its output.
  bool is_concat(const ir::Node& node) const;

  /// Whether an output, an effect or an extent needs what the node computes.
  bool is_needed(ir::NodeId node) const { return needed_.contains(node); }
  /// How often needed nodes and outputs read each value.
  const std::map<ir::ValueId, int>& uses() const { return uses_; }
  int use_count(ir::ValueId value) const {
    const auto it = uses_.find(value);
    return it == uses_.end() ? 0 : it->second;
  }
  /// Elements that extents read, by value.
  const std::map<ir::ValueId, std::set<std::int64_t>>& elements() const { return elements_; }

 private:
  struct Aliases {
    std::vector<ir::Alias> list;
    bool view = false;  ///< every output is a view of an input
  };
  const Aliases& aliases_of(const ir::Node& node) const;
  void find_needed();

  const PlanBuilder& b_;
  const ir::Graph& graph_;
  mutable std::map<ir::NodeId, Aliases> aliases_;  ///< a Split has one for every output, and is asked for each
  std::set<ir::NodeId> needed_;
  std::map<ir::ValueId, int> uses_;
  std::map<ir::ValueId, std::set<std::int64_t>> elements_;
};

}  // namespace monza::plan
