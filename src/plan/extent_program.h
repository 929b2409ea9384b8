// What a region leaves to the extent program beside its operands: elements that extents depend on, and conditions on
// extents that inference leaves to the run and that no kernel sees. Internal to src/plan.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ir/expr.h"
#include "ir/op.h"
#include "plan/builder.h"
#include "plan/region_scope.h"
#include "plan/region_values.h"

namespace monza::plan {

/// A run in which the register is out of the range fails, and says it of `what`. Returns the index of the check.
int check_range(PlanBuilder& builder, Register value, ir::Interval range, std::string_view what);
/// A run in which the extents differ fails.
void check_equal(PlanBuilder& builder, const ir::Expr& have, const ir::Expr& want, std::string_view what);
/// A run in which the extent is smaller fails; Error if it always is.
void check_least(PlanBuilder& builder, const ir::Expr& have, std::int64_t least, std::string_view what);
/// A run in which the node's views do not lie in its input, or leave a part of it out, fails.
void check_views(const RegionScope& scope, const ir::Node& node, const std::vector<ir::Alias>& views);
/// Loads the elements of the value on which extents depend, once it is computed, and checks those that the engine is
/// specialised to.
void load_elements(RegionScope& scope, RegionValues& values, ir::ValueId value);

}  // namespace monza::plan
