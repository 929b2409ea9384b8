// The buffers of concatenations, in which their inputs are computed. Internal to src/plan.
#pragma once

#include <map>
#include <optional>

#include "ir/graph.h"
#include "kernel/kernel.h"
#include "plan/place.h"
#include "plan/region_decisions.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"

namespace monza::plan {

class ConcatBuffers {
 public:
  /// All must outlive it.
  ConcatBuffers(RegionScope& scope, RegionValues& values, const RegionDecisions& decisions)
      : s_(scope), values_(values), decisions_(decisions) {}

  /// Where the value lies inside the buffer of a concatenation that reads it, nullopt where it has no place there. The
  /// first of its inputs makes the buffer: where nothing was chosen, in the order in which `port` writes.
  std::optional<Place> part(ir::ValueId value, Port port);
  /// Plans a concatenation: what was not computed in its buffer is copied there.
  void plan(const ir::Node& concat);

 private:
  const Place& buffer(const ir::Node& concat, Port port);
  Place make_buffer(const ir::Node& concat, Port port);
  Port form_of_inputs(const ir::Node& concat);
  void check_extents(const ir::Node& concat, std::size_t input);

  RegionScope& s_;
  RegionValues& values_;
  const RegionDecisions& decisions_;
  std::map<ir::NodeId, Place> buffers_;
};

}  // namespace monza::plan
