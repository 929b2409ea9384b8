// A constant added per output channel moves into the convolution or matrix product as its bias.
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {

bool present(const ir::Node& n, std::size_t i) { return n.inputs.size() > i && n.inputs[i] != ir::kNone; }

/// The axis of the result that a bias runs along: channels of a convolution, columns of a product.
std::size_t bias_axis(const ir::Node& product, std::size_t rank) { return std::string_view(product.op->name) == "Conv" ? 1 : rank - 1; }

std::string guard(const Match& m) {
  const ir::Node& product = m.node("product");
  const ir::Type& out = m.output().type;
  if (product.attrs.s("activation", "none") != "none") return "the product has an activation already";
  if (present(product, 3)) return "the product adds a residual already";
  if (out.rank() == 0) return "the result is a scalar";
  const auto channels = out.shape[bias_axis(product, out.rank())].try_constant();
  if (!channels) return "the number of channels is not known at build";
  const ir::Constant& c = *m.constant("bias");
  if (c.dtype != DType::f32) return "the bias is not f32";
  const int lead = static_cast<int>(out.rank()) - c.shape.rank;
  for (int i = 0; i < c.shape.rank; ++i)
    if (c.shape[i] != 1 && (i + lead != static_cast<int>(bias_axis(product, out.rank())) || c.shape[i] != *channels))
      return "the constant " + to_string(c.shape) + " is not one number per channel";
  if (present(product, 2)) {
    const auto& old = m.graph->value(product.inputs[2]).constant;
    if (!old || old->dtype != DType::f32) return "the product has a bias that is no constant";
    if (old->numel() != 1 && old->numel() != *channels) return "the product has a bias that is not one number per channel";
  }
  return "";
}

ir::ValueId replace(const Match& m) {
  const ir::Node& product = m.node("product");
  const ir::Type& out = m.output().type;
  const std::int64_t channels = out.shape[bias_axis(product, out.rank())].constant();
  std::vector<float> bias(static_cast<std::size_t>(channels), 0.0F);
  auto add = [&](const ir::Constant& c) {
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += c.as<float>()[c.numel() == 1 ? 0 : i];
  };
  if (present(product, 2)) add(*m.graph->value(product.inputs[2]).constant);
  add(*m.constant("bias"));
  return m.add(product.op->name,
               {product.inputs[0], product.inputs[1], m.add_constant(ir::constant_f32(std::move(bias), Shape{channels}))},
               product.attrs);
}

void run(ir::Graph& graph, PassContext& context) {
  apply(graph, context,
        {{"product + bias[channel]", op("Add", {op("Conv|MatMul", {any(), rest()}).as("product"), constant("bias")}), guard, replace}});
}
}  // namespace

const Pass bias_pass{"fuse_bias", "a constant per channel becomes the bias of the convolution or product before it", run};
}  // namespace monza
