#include "plan/extent_program.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"

namespace monza::plan {
namespace {

/// The pieces of a Split are the whole, unless they are equal ones by its definition.
void check_split(const RegionScope& s, const ir::Node& node, const std::vector<ir::Alias>& pieces,
                 const ir::SymShape& in) {
  const ir::AttrReader attrs = attrs_of(node);
  if (!attrs.has("split") && node.inputs.size() < 2) return;
  const std::int64_t given = attrs.i("axis");
  const std::size_t axis = static_cast<std::size_t>(given < 0 ? given + static_cast<std::int64_t>(in.size()) : given);
  ir::Expr sum = 0;
  for (const ir::Alias& piece : pieces)
    sum = sum + s.graph.value(node.outputs[static_cast<std::size_t>(piece.output)]).type.shape[axis];
  check_equal(s.builder, sum, in[axis],
              fmt::format("the sum of the sizes of '{}' along axis {}", s.facts.name_of(node), axis));
}

}  // namespace

int check_range(PlanBuilder& builder, Register value, ir::Interval range, std::string_view what) {
  Check check;
  check.low = range.low;
  check.high = range.high;
  check.what = builder.plan.intern(what);
  ScalarInstruction test;
  test.op = ScalarOp::check_range;
  test.a = value;
  test.b = static_cast<std::int32_t>(builder.plan.checks.size());
  builder.plan.checks.push_back(check);
  builder.scalars.emit(test);
  return test.b;
}

void check_equal(PlanBuilder& builder, const ir::Expr& have, const ir::Expr& want, std::string_view what) {
  if (have == want) return;
  Check check;
  check.what = builder.plan.intern(what);
  ScalarInstruction equal;
  equal.op = ScalarOp::check_equal;
  equal.a = builder.scalars.compile(have);
  equal.b = builder.scalars.compile(want);
  equal.dst = Register(builder.plan.checks.size());
  builder.plan.checks.push_back(check);
  builder.scalars.emit(equal);
}

void check_least(PlanBuilder& builder, const ir::Expr& have, std::int64_t least, std::string_view what) {
  const ir::Interval range = builder.range(have);
  if (range.low >= least) return;
  if (range.high < least) fail("{} is at most {}; at least {} is needed", what, range.high, least);
  check_range(builder, builder.scalars.compile(have), {least, range.high}, what);
}

void check_views(const RegionScope& s, const ir::Node& node, const std::vector<ir::Alias>& views) {
  const ir::SymShape& in = s.graph.value(node.inputs[static_cast<std::size_t>(views[0].input)]).type.shape;
  if (std::string_view(node.op->name) == "Split") return check_split(s, node, views, in);
  const std::string name = s.facts.name_of(node);
  for (std::size_t a = 0; a < views[0].start.size(); ++a) {
    const auto reads = [&](const ir::Alias::Axis& axis) { return axis.source == static_cast<int>(a); };
    if (std::any_of(views[0].axes.begin(), views[0].axes.end(), reads)) continue;
    // One index is picked, counted from the front or from the end.
    const ir::Expr &start = views[0].start[a], left = in[a] - start;
    const std::optional<std::int64_t> front = start.try_constant(), end = left.try_constant();
    const auto what = [&](std::int64_t index) {
      return fmt::format("axis {} of the input of '{}', which takes index {},", a, name, index);
    };
    if (front) check_least(s.builder, in[a], *front + 1, what(*front));
    else if (end) check_least(s.builder, in[a], *end, what(-*end));
  }
}

void load_elements(RegionScope& s, RegionValues& values, ir::ValueId value) {
  const auto it = s.facts.elements().find(value);
  if (it == s.facts.elements().end()) return;
  ScalarCompiler& scalars = s.builder.scalars;
  const TypedShape type = s.facts.type_of(value);
  const Place place = values.on_device(value, 0);
  if (s.builder.storage(place.storage).arrives) s.wait(place, type, value);
  const int operand = s.builder.operand(place, type);
  const auto given = s.graph.model().element_values.find(value);
  for (const std::int64_t index : it->second) {
    const ir::Expr atom = ir::Expr::element(value, index);
    if (scalars.knows(atom)) continue;
    ScalarInstruction load;
    load.op = ScalarOp::load_element;
    load.dst = scalars.fresh();
    load.a = operand;
    load.b = static_cast<std::int32_t>(index);
    scalars.emit(load);
    scalars.bind(atom, load.dst);
    if (given == s.graph.model().element_values.end()) continue;
    const std::int64_t element = given->second.at(static_cast<std::size_t>(index));
    check_range(
        s.builder, load.dst, {element, element},
        fmt::format("element {} of input '{}', to which this engine is specialised", index, s.graph.value(value).name));
  }
}

}  // namespace monza::plan
