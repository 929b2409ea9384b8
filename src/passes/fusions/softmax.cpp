// Softmax: exp(x - max(x)) / sum(exp(x - max(x))), along one axis.
#include "passes/fusions/fusions.h"
#include "passes/fusions/reduction.h"
#include "passes/pattern.h"

namespace monza {
namespace {

/// The only axis that the node reduces and keeps, or -1.
std::int64_t axis_of(const Match& m, const char* reduce) {
  const auto axes = kept_axes(*m.graph, m.node(reduce), m["x"]);
  return axes.size() == 1 ? axes[0] : -1;
}

void fuse_softmax(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern largest = op("ReduceMax", {x, rest()}).as("largest");
  const Pattern stable = op("Exp", {op("Sub", {x, largest})}).as("exp"), plain = op("Exp", {x}).as("exp");
  const auto fusion = [](const Pattern& exp) { return quotient(exp, op("ReduceSum", {exp, rest()}).as("sum")); };
  const auto guard = [](const Match& m) -> std::string {
    const std::int64_t axis = axis_of(m, "sum");
    if (axis < 0) return "the sum is not over one axis, or drops it";
    if (m.has("largest") && axis_of(m, "largest") != axis) return "maximum and sum are over different axes";
    return "";
  };
  const auto replace = [](const Match& m) { return m.add("Softmax", {m["x"]}, {{"axis", axis_of(m, "sum")}}); };
  apply(graph, context,
        {{"exp(x - max) / sum(exp(x - max))", fusion(stable), guard, replace},
         {"exp(x) / sum(exp(x))", fusion(plain), guard, replace}});
}
}  // namespace

const Pass softmax_pass{"fuse_softmax", "softmax spelled out becomes Softmax", fuse_softmax};
}  // namespace monza
