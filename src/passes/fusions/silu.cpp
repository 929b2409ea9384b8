// SiLU: x * sigmoid(x), which ONNX calls Swish with alpha 1.
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {
void fuse_silu(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  apply(graph, context,
        {{"x * sigmoid(x)", product({x, op("Sigmoid", {x})}), nullptr,
          [](const Match& m) { return m.add("Swish", {m["x"]}); }},
         {"x / (1 + exp(-x))", op("Div", {x, sum({op("Exp", {op("Neg", {x})}), scalar(1)})}), nullptr,
          [](const Match& m) { return m.add("Swish", {m["x"]}); }}});
}
}  // namespace

const Pass silu_pass{"fuse_silu", "x * sigmoid(x) becomes Swish", fuse_silu};
}  // namespace monza
