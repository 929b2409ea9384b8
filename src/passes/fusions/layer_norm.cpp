// LayerNormalization: (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias.
#include "passes/fusions/fusions.h"
#include "passes/fusions/reduction.h"
#include "passes/pattern.h"

namespace monza {
namespace {

std::string same_rows(const Match& m) {
  const auto mean = reduced_tail(*m.graph, m.node("mean")), variance = reduced_tail(*m.graph, m.node("variance"));
  if (!mean || !variance) return "a mean is not over the last axes, or drops them";
  if (*mean != *variance) return "mean and variance are over different axes";
  if (m.number("epsilon") < 0) return "epsilon is negative";
  return "";
}

ir::ValueId normalize(const Match& m) {
  return m.add("LayerNormalization", {m["x"]},
               {{"axis", *reduced_tail(*m.graph, m.node("mean"))}, {"epsilon", m.number("epsilon")}});
}

/// The operand has one element per element of a normalised row, in f32: "" or why not.
std::string fits_row(const Match& m, const char* operand) {
  const ir::Node& norm = m.node("norm");
  if (norm.outputs.size() != 1) return "the mean or deviation is asked for, too";
  const ir::Type &x = m.graph->value(norm.inputs[0]).type, &t = m.type(operand);
  const std::size_t axis = static_cast<std::size_t>(norm.attrs.i("axis", -1));
  if (t.rank() > x.rank()) return "the operand has a higher rank than the input";
  for (std::size_t i = 0; i < t.rank(); ++i) {
    const std::size_t at = x.rank() - t.rank() + i;
    if (at < axis ? !(t.shape[i] == ir::Expr(1)) : !(t.shape[i] == x.shape[at]))
      return "the operand " + ir::to_string(t) + " is not one element per element of a row of " + ir::to_string(x);
  }
  return "";
}

/// The operand without its leading extents of 1, as the operator wants it.
ir::ValueId row(const Match& m, const char* operand) {
  const ir::Node& norm = m.node("norm");
  const ir::Type& x = m.graph->value(norm.inputs[0]).type;
  const std::size_t keep = x.rank() - static_cast<std::size_t>(norm.attrs.i("axis", -1));
  const auto& c = m.graph->value(m[operand]).constant;
  if (static_cast<std::size_t>(c->shape.rank) == keep) return m[operand];
  auto copy = std::make_shared<ir::Constant>(*c);
  copy->shape = Shape{};
  for (std::size_t i = 0; i < keep; ++i) copy->shape.dim[copy->shape.rank++] = x.shape[x.rank() - keep + i].constant();
  return m.add_constant(copy);
}

void run(ir::Graph& graph, PassContext& context) {
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
            return fits_row(m, "scale");
          },
          [](const Match& m) {
            const ir::Node& n = m.node("norm");
            return m.add("LayerNormalization", {n.inputs[0], row(m, "scale")}, n.attrs);
          }},
         {"norm * scale + bias", op("Add", {norm, constant("bias")}),
          [](const Match& m) -> std::string {
            if (m.node("norm").inputs.size() != 2) return "it has no scale yet, or has a bias already";
            return fits_row(m, "bias");
          },
          [](const Match& m) {
            const ir::Node& n = m.node("norm");
            return m.add("LayerNormalization", {n.inputs[0], n.inputs[1], row(m, "bias")}, n.attrs);
          }}});
}
}  // namespace

const Pass layer_norm_pass{"fuse_layer_norm", "layer normalisation spelled out becomes LayerNormalization", run};
}  // namespace monza
