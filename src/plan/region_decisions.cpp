#include "plan/region_decisions.h"

namespace monza::plan {

RegionDecisions decide(const RegionScope& scope, RegionValues& values, const std::vector<Place>& outputs) {
  RegionDecisions decisions;
  const PlanScope& asked = scope.builder.scope;
  decisions.targets.find_outputs(scope.facts, outputs);
  if (asked.copy_views) return decisions;  // where every view is a copy nothing is computed inside of another
  decisions.targets.find_parts(scope.facts);
  if (asked.tactics == nullptr) return decisions;
  LayoutQuestion question{scope.builder, scope.facts, scope.candidates, decisions.targets, {}};
  for (const ir::ValueId v : scope.graph.inputs())
    if (values.is_placed(v)) question.inputs.emplace(v, values.places(v)[0]);
  decisions.assigned = choose_layouts(question);
  return decisions;
}

}  // namespace monza::plan
