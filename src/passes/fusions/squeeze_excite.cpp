// Squeeze and excite: x * act(excite act(squeeze mean(x))), two 1x1 convolutions of a single pixel. On a GPU each of
// its steps is a launch that takes longer than what it computes; together they are one. CPUs have no such launches, and
// kernels of theirs compute the parts.
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

bool is_global(const ir::Graph&, const ir::Node& n) { return attrs_of(n).i("global") != 0; }
/// Over all axes behind the channels, which stay as extents of 1.
bool is_spatial_mean(const ir::Graph& graph, const ir::Node& n) {
  const std::size_t rank = graph.value(n.inputs[0]).type.rank();
  std::vector<std::int64_t> axes = attrs_of(n).ints("axes");
  for (std::int64_t& a : axes)
    if (a < 0) a += static_cast<std::int64_t>(rank);
  std::sort(axes.begin(), axes.end());
  if (attrs_of(n).i("keepdims") != 1 || rank < 3 || axes.size() != rank - 2) return false;
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != static_cast<std::int64_t>(i) + 2) return false;
  return true;
}

std::string guard_excite(const Match& m) {
  if (m.type("x").dtype != DType::f32 && m.type("x").dtype != DType::f16) return "neither f32 nor f16";
  for (const char* name : {"squeeze", "excite"}) {
    const ir::Node& conv = m.node(name);
    if (attrs_of(conv).i("group") != 1) return "a convolution has groups";
    if (conv.inputs.size() > 3) return "a convolution has a residual or slopes";
    if (conv.inputs.size() > 2 && conv.inputs[2] != ir::kNone && m.graph->value(conv.inputs[2]).constant == nullptr)
      return "a bias is not a constant";
    for (const std::int64_t pad : attrs_of(conv).ints("pads", 2 * (m.type(name).rank() - 2)))
      if (pad != 0) return "a convolution has pads";
  }
  const Shape &squeeze = m.constant("w1")->shape, &excite = m.constant("w2")->shape;
  if (squeeze.count(2, squeeze.rank) != 1 || excite.count(2, excite.rank) != 1) return "a convolution has taps";
  if (excite[0] != squeeze[1]) return "it gives another number of channels than there are";
  if (squeeze[1] > 8192 || squeeze[0] > 1024) return "it has more channels than a kernel holds";
  return "";
}

ir::ValueId replace_excite(const Match& m) {
  const ir::Node &squeeze = m.node("squeeze"), &excite = m.node("excite");
  const auto weight = [&](const char* name) {
    const auto& constant = m.graph->value(m[name]).constant;
    return m.add_constant(reshape_constant(constant, Shape{constant->shape[0], constant->shape[1]}));
  };
  const auto bias = [](const ir::Node& n) { return n.inputs.size() > 2 ? n.inputs[2] : ir::kNone; };
  ir::Attrs attrs;
  attrs.set("inner_activation", attrs_of(squeeze).s("activation"));
  attrs.set("inner_alpha", attrs_of(squeeze).f("act_alpha"));
  attrs.set("inner_beta", attrs_of(squeeze).f("act_beta"));
  attrs.set("activation", attrs_of(excite).s("activation"));
  attrs.set("act_alpha", attrs_of(excite).f("act_alpha"));
  attrs.set("act_beta", attrs_of(excite).f("act_beta"));
  return m.add("SqueezeExcite", {m["x"], weight("w1"), bias(squeeze), weight("w2"), bias(excite)}, attrs);
}

void fuse_squeeze_excite(ir::Graph& graph, PassContext& context) {
  if (context.options().device != Device::cuda) return;
  const Pattern x = any("x");
  const Pattern mean = either({op("AveragePool", {x}).where(is_global), op("ReduceMean", {x}).where(is_spatial_mean)});
  const Pattern squeeze = op("Conv", {mean, constant("w1"), rest()}).as("squeeze");
  const Pattern excite = op("Conv", {squeeze, constant("w2"), rest()}).as("excite");
  apply(graph, context, {{"x * conv 1x1(conv 1x1(mean(x)))", product({x, excite}), guard_excite, replace_excite}});
}

}  // namespace

const Pass squeeze_excite_pass{"fuse_squeeze_excite", "x * conv(conv(mean(x))) becomes SqueezeExcite",
                               fuse_squeeze_excite};

}  // namespace monza
