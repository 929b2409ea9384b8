// Mish: x * tanh(softplus(x)).
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {
void fuse_mish(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern softplus = either({op("Softplus", {x}), op("Log", {sum({op("Exp", {x}), scalar(1)})})});
  apply(graph, context, {{"x * tanh(softplus(x))", product({x, op("Tanh", {softplus})}), nullptr, [](const Match& m) {
                            return m.add("Mish", {m["x"]});
                          }}});
}
}  // namespace

const Pass mish_pass{"fuse_mish", "x * tanh(softplus(x)) becomes Mish", fuse_mish};
}  // namespace monza
