// A convolution whose windows lie side by side (the patches of vision transformers) is a matrix product on a GPU: a row
// of the first factor is a patch. Convolutions there want channels by eights, of which pictures have three.
#include <cstring>

#include "passes/fusions/fusions.h"
#include "passes/pattern.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

constexpr std::int64_t kFewChannels = 8;

std::string guard_patches(const Match& m) {
  const ir::Graph& graph = *m.graph;
  const ir::Node& conv = m.node("conv");
  const ir::Type& x = graph.value(conv.inputs[0]).type;
  const auto& w = graph.value(conv.inputs[1]).constant;
  if (x.rank() != 4) return "the image does not have two axes";
  if (!w) return "the weight is not a constant";
  if (w->shape.numel() == 0) return "the weight has no elements";
  const auto attrs = attrs_of(conv);
  if (attrs.i("group") != 1) return "it has groups";
  if (w->shape[1] >= kFewChannels) return "it has as many channels as convolutions want";
  if (conv.inputs.size() > 3) return "something is added or applied to the result";
  if (conv.inputs.size() > 2 && conv.inputs[2] != ir::kNone && !graph.value(conv.inputs[2]).constant)
    return "the bias is not a constant";
  if (attrs.s("activation") != "none") return "an activation is applied to the result";
  if (attrs.s("auto_pad") != "given") return "it finds its padding from its input's extents";
  const auto strides = attrs.ints("strides", 2), dilations = attrs.ints("dilations", 2), pads = attrs.ints("pads", 4);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t kernel = w->shape[static_cast<int>(i) + 2];
    const auto extent = x.shape[i + 2].try_constant();
    if (pads[i] != 0 || pads[i + 2] != 0) return "it pads";
    if (kernel < 2 || strides[i] != kernel || dilations[i] != 1) return "its windows do not lie side by side";
    if (!extent) return "the image's extents are not known at build";
    if (*extent == 0 || *extent % kernel != 0) return "its windows do not cover the image";
  }
  for (const ir::NodeId user : graph.users(conv.outputs[0]))
    if (std::string_view(graph.node(user).op->name) == "BatchNormalization") return "a normalisation will move into it";
  return "";
}

ir::ValueId replace_patches(const Match& m) {
  const ir::Node& conv = m.node("conv");
  const ir::Constant& w = *m.graph->value(conv.inputs[1]).constant;
  const ir::Type& x = m.graph->value(conv.inputs[0]).type;
  const std::int64_t filters = w.shape[0], channels = w.shape[1], high = w.shape[2], wide = w.shape[3],
                     rows = x.shape[2].constant() / high, columns = x.shape[3].constant() / wide;
  const auto reshaped = [&](ir::ValueId v, std::vector<std::int64_t> shape) {
    ir::Attrs attrs;
    attrs.set("shape", std::move(shape));
    return m.add("Reshape", {v}, attrs);
  };
  const auto turned = [&](ir::ValueId v, std::vector<std::int64_t> perm) {
    ir::Attrs attrs;
    attrs.set("perm", std::move(perm));
    return m.add("Transpose", {v}, attrs);
  };
  // [B, C, R h, S w] to [B, R S, C h w]; weights [F, C h w] lie as they are.
  ir::ValueId v = reshaped(conv.inputs[0], {0, channels, rows, high, columns, wide});
  v = reshaped(turned(v, {0, 2, 4, 1, 3, 5}), {0, rows * columns, channels * high * wide});
  auto [flat, bytes] = ir::allocate_constant(w.dtype, Shape{filters, channels * high * wide});
  std::memcpy(bytes.data(), w.as<std::byte>(), bytes.size());
  ir::Attrs product;
  product.set("trans_b", std::int64_t{1});
  std::vector<ir::ValueId> inputs{v, m.add_constant(flat)};
  if (conv.inputs.size() > 2 && conv.inputs[2] != ir::kNone) inputs.push_back(conv.inputs[2]);
  v = m.add("MatMul", inputs, product);
  return reshaped(turned(v, {0, 2, 1}), {0, filters, rows, columns});
}

void fuse_patches(ir::Graph& graph, PassContext& context) {
  if (context.options().device != Device::cuda) return;
  apply(graph, context,
        {{"convolution of patches", op("Conv", {any(), any(), rest()}).as("conv"), guard_patches, replace_patches}});
}

}  // namespace

const Pass patches_pass{"lower_patches", "a convolution whose windows lie side by side becomes a product (on GPUs)",
                        fuse_patches};

}  // namespace monza
