// RMSNormalization: x / sqrt(mean(x^2) + epsilon) * scale.
#include "passes/fusions/fusions.h"
#include "passes/fusions/reduction.h"
#include "passes/pattern.h"

namespace monza {
namespace {
void run(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern mean = op("ReduceMean", {square(x), rest()}).as("mean");
  const Pattern shifted = sum({mean, number("epsilon")});
  const Pattern norm = op("RMSNormalization", {any()}).as("norm");
  apply(graph, context,
        {{"x / sqrt(mean(x^2) + epsilon)",
          either({quotient(x, op("Sqrt", {shifted})), product({x, op("Pow", {shifted, scalar(-0.5)})})}),
          [](const Match& m) -> std::string {
            if (!reduced_tail(*m.graph, m.node("mean"))) return "the mean is not over the last axes, or drops them";
            return m.number("epsilon") < 0 ? "epsilon is negative" : "";
          },
          [](const Match& m) {
            return m.add("RMSNormalization", {m["x"]},
                         {{"axis", *reduced_tail(*m.graph, m.node("mean"))}, {"epsilon", m.number("epsilon")}});
          }},
         {"norm * scale", op("Mul", {norm, constant("scale")}),
          [](const Match& m) -> std::string {
            const ir::Type &x = m.graph->value(m.node("norm").inputs[0]).type, &scale = m.type("scale");
            const auto keep = x.rank() - static_cast<std::size_t>(m.node("norm").attrs.i("axis", -1));
            if (scale.rank() != keep) return "the scale does not have the rank of a row";
            for (std::size_t i = 0; i < keep; ++i)
              if (!(scale.shape[i] == x.shape[x.rank() - keep + i]))
                return "the scale is not one element per element of a row";
            return "";
          },
          [](const Match& m) {
            return m.add("RMSNormalization", {m.node("norm").inputs[0], m["scale"]}, m.node("norm").attrs);
          }}});
}
}  // namespace

const Pass rms_norm_pass{"fuse_rms_norm", "root-mean-square normalisation spelled out becomes RMSNormalization", run};
}  // namespace monza
