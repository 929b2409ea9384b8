// A constant added per output channel moves into the convolution or matrix product as its bias.
#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

std::string guard_bias(const Match& m) {
  const ir::Node& product = m.node("product");
  const ProductOperands at = operands_of(product);
  const ir::Type& out = m.output().type;
  if (requantizes(product)) return "the product's result is quantised";
  if (attrs_of(product).s("activation") != "none") return "the product has an activation already";
  if (has_operand(product, at.residual)) return "the product adds a residual already";
  const ir::Constant& c = *m.constant("bias");
  if (c.dtype != DType::f32) return "the bias is not f32";
  if (out.rank() == 0) return "the result is a scalar";
  if (!(m.type("product") == out)) return "the constant broadcasts the product";
  const std::size_t axis = channel_axis(product, out.rank());
  if (auto reason = fits_channels(c, out, axis); !reason.empty()) return reason;
  if (has_operand(product, at.bias)) {
    const auto& old = m.graph->value(product.inputs[at.bias]).constant;
    if (!old || old->dtype != DType::f32) return "the product has a bias that is no f32 constant";
    if (!fits_bias(product, *old, out).empty()) return "the product has a bias that is not one number per channel";
  }
  return "";
}

ir::ValueId replace_bias(const Match& m) {
  const ir::Node& product = m.node("product");
  const ProductOperands at = operands_of(product);
  const ir::Type& out = m.output().type;
  const std::int64_t channels = out.shape[channel_axis(product, out.rank())].constant();
  std::vector<float> bias(static_cast<std::size_t>(channels), 0.0F);
  auto add = [&](const ir::Constant& c) {
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += c.as<float>()[c.numel() == 1 ? 0 : i];
  };
  if (has_operand(product, at.bias)) add(*m.graph->value(product.inputs[at.bias]).constant);
  add(*m.constant("bias"));
  const ir::ValueId constant = m.add_constant(ir::constant_f32(std::move(bias), Shape{channels}));
  return m.add(product.op->name, with_operand(product, at.bias, constant), product.attrs);
}

void fuse_bias(ir::Graph& graph, PassContext& context) {
  apply(graph, context,
        {{"product + bias[channel]", op("Add", {op(kBiasedProducts, {any(), rest()}).as("product"), constant("bias")}),
          guard_bias, replace_bias}});
}
}  // namespace

const Pass bias_pass{"fuse_bias", "a constant per channel becomes the bias of the convolution or product before it",
                     fuse_bias};
}  // namespace monza
