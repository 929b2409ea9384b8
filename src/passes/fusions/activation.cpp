// An activation moves into the convolution or matrix product before it.
#include <cmath>

#include "ops/shared/activation.def.h"
#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"
#include "tensor/float_convert.h"

namespace monza {
namespace {

constexpr const char* kActivations =
    "Relu|Clip|Swish|HardSwish|Gelu|Sigmoid|LeakyRelu|PRelu|Tanh|Elu|HardSigmoid|Softplus|Mish";

const ir::Node& activation_node(const Match& m) { return *m.graph->producer(m.output().id); }

/// What the node computes, as an activation; nullopt for one that products do not take.
std::optional<Activation> activation_of_node(const ir::Graph& graph, const ir::Node& n) {
  const std::string_view name = n.op->name;
  const auto with = [&](ActivationKind kind, double alpha = 0, double beta = 0) {
    return Activation{kind, static_cast<float>(alpha), static_cast<float>(beta)};
  };
  if (name == "Relu") return with(ActivationKind::relu);
  if (name == "Sigmoid") return with(ActivationKind::sigmoid);
  if (name == "Tanh") return with(ActivationKind::tanh);
  if (name == "HardSwish") return with(ActivationKind::hardswish);
  if (name == "Softplus") return with(ActivationKind::softplus);
  if (name == "Mish") return with(ActivationKind::mish);
  if (name == "PRelu") return with(ActivationKind::prelu);
  if (name == "LeakyRelu") return with(ActivationKind::leaky_relu, attrs_of(n).f("alpha"));
  if (name == "Elu") return with(ActivationKind::elu, attrs_of(n).f("alpha"));
  if (name == "HardSigmoid") return with(ActivationKind::hard_sigmoid, attrs_of(n).f("alpha"), attrs_of(n).f("beta"));
  if (name == "Gelu")
    return with(attrs_of(n).s("approximate") == "tanh" ? ActivationKind::gelu_tanh : ActivationKind::gelu_erf);
  if (name == "Swish") {
    if (attrs_of(n).f("alpha") != 1) return std::nullopt;
    return with(ActivationKind::silu);
  }
  if (name == "Clip") {
    double high = largest_finite(graph.value(n.inputs[0]).type.dtype), low = -high;
    for (std::size_t i : {1, 2}) {
      if (!has_operand(n, i)) continue;
      const auto bound = scalar_value(graph, n.inputs[i]);
      if (!bound || std::isnan(*bound)) return std::nullopt;
      (i == 1 ? low : high) = *bound;
    }
    return with(ActivationKind::clip, low, high);
  }
  return std::nullopt;
}

std::string guard_activation(const Match& m) {
  const ir::Node &product = m.node("product"), &n = activation_node(m);
  if (requantizes(product)) return "the product's result is quantised";
  if (n.inputs[0] != m["product"]) return "the product is not its first input";
  if (attrs_of(product).s("activation") != "none") return "the product has an activation already";
  if (has_operand(product, operands_of(product).residual) && attrs_of(product).i("residual_after") != 0)
    return "the product adds a residual behind its activation";
  const auto act = activation_of_node(*m.graph, n);
  if (!act) return "its bounds are not constant, or its parameters are not those of a fused activation";
  if (act->kind == ActivationKind::prelu) {
    if (std::string_view(product.op->name) != "Conv") return "only convolutions take a slope per channel";
    const auto& slope = m.graph->value(n.inputs[1]).constant;
    if (!slope) return "the slope is not constant";
    const ir::Type& out = m.output().type;
    if (!(out == m.type("product"))) return "the slope has more axes than the product";
    const int lead = static_cast<int>(out.rank()) - slope->shape.rank;
    for (int i = 0; i < slope->shape.rank; ++i)
      if (slope->shape[i] != 1 && i + lead != 1)
        return "the slope " + to_string(slope->shape) + " is not one number per channel";
  }
  return "";
}

ir::ValueId replace_activation(const Match& m) {
  const ir::Node &product = m.node("product"), &n = activation_node(m);
  const Activation act = *activation_of_node(*m.graph, n);
  ir::Attrs attrs = product.attrs;
  ops::set_activation(attrs, act);
  std::vector<ir::ValueId> inputs = product.inputs;
  if (act.kind == ActivationKind::prelu) {
    auto slope = std::make_shared<ir::Constant>(*m.graph->value(n.inputs[1]).constant);
    slope->shape = Shape{slope->numel()};
    inputs.resize(4, ir::kNone);
    inputs.push_back(m.add_constant(slope));
  }
  return m.add(product.op->name, inputs, attrs);
}

void fuse_activation(ir::Graph& graph, PassContext& context) {
  apply(graph, context,
        {{"activation(product)", op(kActivations, {op(kBiasedProducts, {any(), rest()}).as("product"), rest()}),
          guard_activation, replace_activation}});
}
}  // namespace

const Pass activation_pass{"fuse_activation", "an activation moves into the convolution or product before it",
                           fuse_activation};
}  // namespace monza
