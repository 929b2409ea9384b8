// Where results are to be computed before anybody knows how: model outputs, and the buffers of concatenations.
// Internal to src/plan.
#pragma once

#include <map>
#include <vector>

#include "plan/place.h"
#include "plan/region_facts.h"

namespace monza::plan {

struct Targets {
  /// A value that should be computed inside a concatenation's buffer.
  struct Part {
    ir::NodeId concat;
    int axis;
    ir::Expr start;  ///< along the concat's axis
  };
  /// Values whose place is given: outputs, and what reshapes make outputs of.
  std::map<ir::ValueId, Place> places;
  std::map<ir::ValueId, Part> parts;

  /// Where the value's place is given, or null.
  const Place* place_of(ir::ValueId value) const {
    const auto it = places.find(value);
    return it == places.end() ? nullptr : &it->second;
  }

  /// Output i of the graph lies at outputs[i] (dense).
  void find_outputs(const RegionFacts& facts, const std::vector<Place>& outputs);
  void find_parts(const RegionFacts& facts);
};

}  // namespace monza::plan
