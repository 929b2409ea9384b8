// What elements of small tensors can be, where no formula says it: bounds for the extents that depend on them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "ir/graph.h"

namespace monza::plan {

/// Elements that extents read at run time, by value.
using ElementsRead = std::map<ir::ValueId, std::set<std::int64_t>>;
void collect_elements(const ir::Expr& e, ElementsRead& found);
/// Of all shapes of the graph and its bodies.
void collect_elements(const ir::Graph& graph, ElementsRead& found);

/// Interval arithmetic through the nodes that compute an element, from what bounds the symbols. Floats are widened by
/// more than their rounding, so that the bounds hold for whatever a kernel computes.
class ElementBounds {
 public:
  /// `range` gives the bounds of a formula.
  ElementBounds(const ir::Graph& graph, std::function<ir::Interval(const ir::Expr&)> range)
      : graph_(graph), range_(std::move(range)) {}
  /// Of element `index` (row-major) of `value`; nullopt where nothing bounds it.
  std::optional<ir::Interval> of(ir::ValueId value, std::int64_t index);

 private:
  struct Bounds {
    double low, high;
  };
  using Maybe = std::optional<Bounds>;
  Maybe find(ir::ValueId value, std::int64_t index, int depth);
  Maybe computed(const ir::Node& node, const ir::Value& value, std::int64_t index, int depth);
  Maybe viewed(const ir::Node& node, const ir::Value& value, std::int64_t index, int depth);
  Maybe hull(const ir::Node& node, int depth);
  Maybe operand(const ir::Node& node, std::size_t input, const ir::Value& result, std::int64_t index, int depth);

  const ir::Graph& graph_;
  std::function<ir::Interval(const ir::Expr&)> range_;
  std::map<std::pair<ir::ValueId, std::int64_t>, Maybe> known_;
};

}  // namespace monza::plan
