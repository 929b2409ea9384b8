// Pad with zeros in front of a convolution becomes the convolution's own padding.
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {

/// Begins of all axes, then ends; empty when they are not known.
std::vector<std::int64_t> pads_of(const ir::Graph& graph, const ir::Node& pad) {
  const std::size_t rank = graph.value(pad.inputs[0]).type.rank();
  auto list = [&](const char* name, std::size_t input) -> std::optional<std::vector<std::int64_t>> {
    if (attrs_of(pad).has(name)) return attrs_of(pad).ints(name);
    if (pad.inputs.size() <= input || pad.inputs[input] == ir::kNone) return std::nullopt;
    const ir::Constant* c = graph.value(pad.inputs[input]).constant.get();
    return c != nullptr ? std::optional(ir::to_ints(*c)) : std::vector<std::int64_t>{};
  };
  const auto pads = list("pads", 1), axes = list("axes", 3);
  if (!pads) return {};
  std::vector<std::int64_t> all(2 * rank, 0);
  const std::size_t count = axes ? axes->size() : rank;
  if (pads->size() != 2 * count) return {};
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t axis = axes ? (*axes)[i] : static_cast<std::int64_t>(i);
    if (axis < 0) axis += static_cast<std::int64_t>(rank);
    if (axis < 0 || axis >= static_cast<std::int64_t>(rank)) return {};
    all[static_cast<std::size_t>(axis)] = (*pads)[i];
    all[static_cast<std::size_t>(axis) + rank] = (*pads)[count + i];
  }
  return all;
}

std::string guard_pad_conv(const Match& m) {
  const ir::Node &pad = m.node("pad"), &conv = m.node("conv");
  if (attrs_of(pad).s("mode") != "constant") return "the padding is not with a constant";
  if (pad.inputs.size() > 2 && pad.inputs[2] != ir::kNone && scalar_value(*m.graph, pad.inputs[2]) != 0.0)
    return "the padding value is not known to be zero";
  if (attrs_of(conv).s("auto_pad") != "given") return "the convolution finds its padding from its input's extents";
  const auto pads = pads_of(*m.graph, pad);
  if (pads.empty()) return "the pads are not known at build";
  const std::size_t rank = pads.size() / 2;
  for (std::size_t i = 0; i < pads.size(); ++i) {
    if (pads[i] < 0) return "a pad is negative";
    if (i % rank < 2 && pads[i] != 0) return "it pads the batch or the channels";
  }
  return "";
}

ir::ValueId replace_pad_conv(const Match& m) {
  const ir::Node &pad = m.node("pad"), &conv = m.node("conv");
  const auto extra = pads_of(*m.graph, pad);
  const std::size_t rank = extra.size() / 2, axes = rank - 2;
  auto pads = attrs_of(conv).ints("pads", 2 * axes);
  for (std::size_t i = 0; i < axes; ++i) {
    pads[i] += extra[i + 2];
    pads[i + axes] += extra[rank + i + 2];
  }
  ir::Attrs attrs = conv.attrs;
  attrs.set("pads", pads);
  std::vector<ir::ValueId> inputs = conv.inputs;
  inputs[0] = pad.inputs[0];
  return m.add(conv.op->name, inputs, attrs);
}

void fuse_pad_conv(ir::Graph& graph, PassContext& context) {
  const Pattern pad = op("Pad", {any(), rest()}).as("pad");
  apply(graph, context, {{"conv(pad(x))", op("Conv", {pad, rest()}).as("conv"), guard_pad_conv, replace_pad_conv}});
}
}  // namespace

const Pass pad_conv_pass{"fuse_pad_conv", "zero padding moves into the convolution behind it", fuse_pad_conv};
}  // namespace monza
