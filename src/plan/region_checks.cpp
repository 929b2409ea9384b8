// Conditions on extents that inference leaves to the run and that no kernel sees: the extent program checks them.
#include <algorithm>
#include <string_view>

#include "plan/region_planner.h"

namespace monza::plan {

void RegionPlanner::check_equal(const ir::Expr& have, const ir::Expr& want, const std::string& what) {
  if (have == want) return;
  Check check;
  check.what = b_.plan.intern(what);
  ScalarInstruction equal;
  equal.op = ScalarOp::check_equal;
  equal.a = b_.scalars.compile(have);
  equal.b = b_.scalars.compile(want);
  equal.dst = Register(b_.plan.checks.size());
  b_.plan.checks.push_back(check);
  b_.scalars.emit(equal);
}

void RegionPlanner::check_least(const ir::Expr& have, std::int64_t least, const std::string& what) {
  const ir::Interval range = b_.range(have);
  if (range.low >= least) return;
  if (range.high < least) fail("{} is at most {}; at least {} is needed", what, range.high, least);
  Check check;
  check.low = least;
  check.high = range.high;
  check.what = b_.plan.intern(what);
  ScalarInstruction test;
  test.op = ScalarOp::check_range;
  test.a = b_.scalars.compile(have);
  test.b = static_cast<std::int32_t>(b_.plan.checks.size());
  b_.plan.checks.push_back(check);
  b_.scalars.emit(test);
}

void RegionPlanner::check_views(const ir::Node& node, const std::vector<ir::Alias>& views) {
  const std::string name = name_of(node);
  const auto shape_of = [&](ir::ValueId v) -> const ir::SymShape& { return graph_.value(v).type.shape; };
  const ir::SymShape& in = shape_of(node.inputs[static_cast<std::size_t>(views[0].input)]);
  if (std::string_view(node.op->name) == "Split") {
    if (!attrs_of(node).has("split") && node.inputs.size() < 2) return;  // equal pieces
    const std::int64_t given = attrs_of(node).i("axis");
    const std::size_t axis = static_cast<std::size_t>(given < 0 ? given + static_cast<std::int64_t>(in.size()) : given);
    ir::Expr sum = 0;
    for (const ir::Alias& piece : views)
      sum = sum + shape_of(node.outputs[static_cast<std::size_t>(piece.output)])[axis];
    check_equal(sum, in[axis], fmt::format("the sum of the sizes of '{}' along axis {}", name, axis));
    return;
  }
  for (std::size_t a = 0; a < views[0].start.size(); ++a) {
    const auto reads = [&](const ir::Alias::Axis& axis) { return axis.source == static_cast<int>(a); };
    if (std::any_of(views[0].axes.begin(), views[0].axes.end(), reads)) continue;
    // One index is picked, counted from the front or from the end.
    const ir::Expr &start = views[0].start[a], left = in[a] - start;
    const std::optional<std::int64_t> front = start.try_constant(), end = left.try_constant();
    const auto what = [&](std::int64_t index) {
      return fmt::format("axis {} of the input of '{}', which takes index {},", a, name, index);
    };
    if (front) check_least(in[a], *front + 1, what(*front));
    else if (end) check_least(in[a], *end, what(-*end));
  }
}

}  // namespace monza::plan
