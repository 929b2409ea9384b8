// The candidates among which a region's layouts are chosen, with their times. Internal to src/plan.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "plan/layout_costs.h"
#include "plan/layouts.h"

namespace monza::plan {

/// A node that has a choice of its own, or a candidate alone.
struct LabelledNode {
  ir::NodeId node = ir::kNone;
  int variable = -1;  ///< of the cost network; -1: one label only
  std::vector<Label> labels;
  Choice choice;
};

struct NodeLabels {
  std::vector<LabelledNode> nodes;
  std::map<ir::NodeId, std::size_t> index;  ///< into `nodes`
  std::set<std::pair<int, Port>> in_play;   ///< device, and a blocked form that some candidate there reads or writes
  bool timed = false;                       ///< whether some node's candidates were timed
};

/// Lists the candidates of every node of the region that needs one and is no view, and times them where there are
/// several.
NodeLabels label_nodes(const LayoutQuestion& question);

}  // namespace monza::plan
