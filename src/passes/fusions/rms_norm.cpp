// RMSNormalization: x / sqrt(mean(x^2) + epsilon) * scale.
#include "passes/fusions/fusions.h"
#include "passes/fusions/reduction.h"
#include "passes/fusions/row.h"
#include "passes/pattern.h"

namespace monza {
namespace {
void fuse_rms_norm(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern mean = op("ReduceMean", {square(x), rest()}).as("mean");
  const Pattern shifted = sum({mean, number("epsilon")});
  const Pattern norm = op("RMSNormalization", {any()}).as("norm");
  apply(graph, context,
        {{"x / sqrt(mean(x^2) + epsilon)",
          either({quotient(x, op("Sqrt", {shifted})), product({x, op("Pow", {shifted, scalar(-0.5)})})}),
          [](const Match& m) -> std::string {
            if (!reduced_tail(*m.graph, m.node("mean"), m["x"]))
              return "the mean is not over the last axes, or drops them";
            return m.number("epsilon") < 0 ? "epsilon is negative" : "";
          },
          [](const Match& m) {
            return m.add("RMSNormalization", {m["x"]},
                         {{"axis", *reduced_tail(*m.graph, m.node("mean"), m["x"])}, {"epsilon", m.number("epsilon")}});
          }},
         {"norm * scale", op("Mul", {norm, constant("scale")}),
          [](const Match& m) -> std::string { return fits_row(*m.graph, m.node("norm"), m["scale"]); },
          [](const Match& m) {
            const ir::Node& n = m.node("norm");
            return m.add("RMSNormalization", {n.inputs[0], as_row(m, n, m["scale"])}, n.attrs);
          }}});
}
}  // namespace

const Pass rms_norm_pass{"fuse_rms_norm", "root-mean-square normalisation spelled out becomes RMSNormalization",
                         fuse_rms_norm};
}  // namespace monza
