// A depthwise convolution and the 1x1 convolution behind it become one step, so that what lies between them, as large
// as the input, is not written to memory and read again.
#include "base/constraint.h"
#include "kernel/registry.h"
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {

/// Less than this between the two stays in the L2 cache anyway.
constexpr std::int64_t kLeastBytes = 256 << 10;

bool all_are(const std::vector<std::int64_t>& list, std::int64_t value) {
  return std::all_of(list.begin(), list.end(), [&](std::int64_t x) { return x == value; });
}
bool has(const ir::Node& n, std::size_t input) { return n.inputs.size() > input && n.inputs[input] != ir::kNone; }
std::optional<std::int64_t> extent(const ir::Type& t, std::size_t axis) {
  return axis < t.shape.size() ? t.shape[axis].try_constant() : std::nullopt;
}

/// One filter for each channel. In the pattern, not in the guard: a dense convolution is no near miss.
bool is_depthwise(const ir::Graph& graph, const ir::Node& n) {
  if (!has(n, 1)) return false;
  const ir::Type& weights = graph.value(n.inputs[1]).type;
  const auto channels = extent(weights, 0);
  return channels && *channels >= 2 && extent(weights, 1) == 1 && attrs_of(n).i("group") == *channels;
}

std::string guard_separable(const Match& m) {
  const ir::Node &depth = m.node("depth"), &point = m.node("point");
  const ir::Type &first = m.type("w1"), &second = m.type("w2"), &between = m.type("depth");
  if (first.rank() != 4) return "not two spatial axes";
  if (first.dtype != DType::f32) return "not f32";
  if (attrs_of(depth).s("auto_pad") != "given") return "the first convolution finds its padding by itself";
  // Measured: with SiLU between, two steps were as fast or faster (yolox_nano 11.9 ms against 12.6).
  const std::string act = attrs_of(depth).s("activation");
  if (act != "none" && act != "relu" && act != "clip") return "the first convolution's activation is not a bound";
  if (has(depth, 3) || has(depth, 4)) return "the first convolution has a residual or a slope";
  if (extent(second, 2) != 1 || extent(second, 3) != 1 || attrs_of(point).i("group") != 1)
    return "the second convolution is not 1x1 over all channels";
  if (!all_are(attrs_of(point).ints("strides"), 1) || !all_are(attrs_of(point).ints("pads"), 0) ||
      attrs_of(point).s("auto_pad") != "given")
    return "the second convolution has strides or padding";
  const Precisions allowed = allowed_precisions(point.constraint);
  for (const Precision p : kPrecisions)
    if (!kOwnPrecisions.contains(p) && allowed.contains(p) && has_kernel("Conv", {{p}, {}}) &&
        !has_kernel("SeparableConv", {{p}, {}}))
      return fmt::format("the second convolution may compute in {}, for which no kernel computes both",
                         precision_name(p));
  const auto height = extent(between, 2), width = extent(between, 3);
  if (!height || !width) return "the extents of the picture vary";
  if (*extent(first, 0) * *height * *width * 4 < kLeastBytes) return "what lies between is small enough for the cache";
  return "";
}

ir::ValueId replace_separable(const Match& m) {
  const ir::Node &depth = m.node("depth"), &point = m.node("point");
  const auto input = [](const ir::Node& n, std::size_t i) { return has(n, i) ? n.inputs[i] : ir::kNone; };
  ir::Attrs attrs;
  for (const char* name : {"strides", "dilations", "pads"})
    if (attrs_of(depth).has(name)) attrs.set(name, attrs_of(depth).ints(name));
  attrs.set("depth_activation", attrs_of(depth).s("activation"));
  attrs.set("depth_alpha", attrs_of(depth).f("act_alpha"));
  attrs.set("depth_beta", attrs_of(depth).f("act_beta"));
  attrs.set("activation", attrs_of(point).s("activation"));
  attrs.set("act_alpha", attrs_of(point).f("act_alpha"));
  attrs.set("act_beta", attrs_of(point).f("act_beta"));
  attrs.set("residual_after", attrs_of(point).i("residual_after"));
  return m.add("SeparableConv",
               {depth.inputs[0], depth.inputs[1], input(depth, 2), point.inputs[1], input(point, 2), input(point, 3),
                input(point, 4)},
               attrs);
}

void fuse_separable(ir::Graph& graph, PassContext& context) {
  const Pattern depth = op("Conv", {any(), constant("w1"), rest()}).where(is_depthwise).as("depth");
  apply(graph, context,
        {{"conv 1x1(depthwise conv(x))", op("Conv", {depth, constant("w2"), rest()}).as("point"), guard_separable,
          replace_separable}});
}
}  // namespace

const Pass separable_pass{"fuse_separable", "a 1x1 convolution computes the depthwise convolution before it as well",
                          fuse_separable};
}  // namespace monza
