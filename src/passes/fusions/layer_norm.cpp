// LayerNormalization: (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias.
#include "passes/fusions/fusions.h"
#include "passes/fusions/reduction.h"
#include "passes/fusions/row.h"
#include "passes/pattern.h"

namespace monza {
namespace {

std::string same_rows(const Match& m) {
  const auto mean = reduced_tail(*m.graph, m.node("mean"), m["x"]),
             variance = reduced_tail(*m.graph, m.node("variance"), m["x"]);
  if (!mean || !variance) return "a mean is not over the last axes, or drops them";
  if (*mean != *variance) return "mean and variance are over different axes";
  if (m.number("epsilon") < 0) return "epsilon is negative";
  return "";
}

ir::ValueId normalize(const Match& m) {
  return m.add("LayerNormalization", {m["x"]},
               {{"axis", *reduced_tail(*m.graph, m.node("mean"), m["x"])}, {"epsilon", m.number("epsilon")}});
}

/// Nothing but the result is asked for, and the constant is a row: "" or why not.
std::string fits(const Match& m, const char* operand) {
  const ir::Node& norm = m.node("norm");
  if (norm.outputs.size() != 1) return "the mean or deviation is asked for, too";
  return fits_row(*m.graph, norm, m[operand]);
}

void fuse_layer_norm(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern mean = op("ReduceMean", {x, rest()}).as("mean");
  const Pattern d = op("Sub", {x, mean}).as("difference");
  const Pattern variance = op("ReduceMean", {square(d), rest()}).as("variance");
  const Pattern deviation = either(
      {op("Sqrt", {sum({variance, number("epsilon")})}), op("Pow", {sum({variance, number("epsilon")}), scalar(0.5)})});
  const Pattern inverse = op("Pow", {sum({variance, number("epsilon")}), scalar(-0.5)});
  const Pattern norm = op("LayerNormalization", {any(), rest()}).as("norm");
  apply(graph, context,
        {{"(x - mean) / sqrt(variance + epsilon)", either({quotient(d, deviation), product({d, inverse})}), same_rows,
          normalize},
         {"norm * scale", op("Mul", {norm, constant("scale")}),
          [](const Match& m) -> std::string {
            if (m.node("norm").inputs.size() > 1) return "it has a scale or bias already";
            return fits(m, "scale");
          },
          [](const Match& m) {
            const ir::Node& n = m.node("norm");
            return m.add("LayerNormalization", {n.inputs[0], as_row(m, n, m["scale"])}, n.attrs);
          }},
         {"norm * scale + bias", op("Add", {norm, constant("bias")}),
          [](const Match& m) -> std::string {
            if (m.node("norm").inputs.size() != 2) return "it has no scale yet, or has a bias already";
            return fits(m, "bias");
          },
          [](const Match& m) {
            const ir::Node& n = m.node("norm");
            return m.add("LayerNormalization", {n.inputs[0], n.inputs[1], as_row(m, n, m["bias"])}, n.attrs);
          }}});
}
}  // namespace

const Pass layer_norm_pass{"fuse_layer_norm", "layer normalisation spelled out becomes LayerNormalization",
                           fuse_layer_norm};
}  // namespace monza
