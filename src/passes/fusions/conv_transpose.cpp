// A transposed convolution becomes a convolution whose filters are the phases of its own, and a move of depth to space.
//
// With stride s, output s q + r of an axis is the sum over t of x[q - t] w[s t + r]: phase r is a plain convolution
// with every s-th element of the kernel, in reverse order. All phases have the same inputs, so they are filters of one
// convolution, and the depth it makes goes to space (Shi et al., "Real-Time Single Image and Video Super-Resolution
// Using an Efficient Sub-Pixel Convolutional Neural Network", 2016; "Is the deconvolution layer the same as a
// convolutional layer?", 2016). No multiplication by an inserted zero is made; where the stride does not divide the
// kernel, the last element of some phases is zero.
#include <algorithm>
#include <cstring>

#include "ops/move/move.params.h"
#include "passes/fusions/fusions.h"
#include "passes/pattern.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// One spatial axis of the convolution that takes the place of a transposed one.
struct PhaseAxis {
  std::int64_t stride = 1, dilation = 1, kernel = 1;  ///< of the transposed convolution
  std::int64_t taps = 1;                              ///< elements of a phase
  std::int64_t pad_begin = 0, pad_end = 0;            ///< of the convolution
  std::int64_t crop_begin = 0, crop_end = 0;          ///< of what went to space

  bool strided() const { return stride > 1; }
  /// Where phase r has kernel element k as its tap t (before the reversal); -1 where it has none.
  std::int64_t source(std::int64_t r, std::int64_t t) const {
    if (!strided()) return t;  // the dilation stays the convolution's
    const std::int64_t at = stride * t + r;
    return at % dilation == 0 && at / dilation < kernel ? at / dilation : -1;
  }
};

/// floor(a / b) for b > 0.
std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

PhaseAxis phases_of(std::int64_t stride, std::int64_t dilation, std::int64_t kernel, std::int64_t pad_begin,
                    std::int64_t pad_end, std::int64_t output_padding) {
  PhaseAxis a{.stride = stride, .dilation = dilation, .kernel = kernel};
  // With extent n of the input the output's is stride * n + beyond.
  const std::int64_t reach = (kernel - 1) * dilation + 1,
                     beyond = reach - stride + output_padding - pad_begin - pad_end;
  a.taps = stride > 1 ? (reach + stride - 1) / stride : kernel;
  const std::int64_t past = (a.taps - 1) * (stride > 1 ? 1 : dilation);
  // Positions of the convolution are blocks of the output: from the one that holds its first element to the one that
  // holds its last. The first that there could be is made of x[0] alone.
  const std::int64_t first = floor_div(pad_begin, stride), last = floor_div(pad_begin + beyond - 1, stride);
  a.crop_begin = pad_begin - stride * first;
  a.crop_end = stride * (last + 1) - (pad_begin + beyond);
  // Extent of the convolution: n + pad_begin + pad_end - past = n + last + 1 - first. Pads that would have to be
  // negative are made by cutting, too.
  a.pad_begin = std::max<std::int64_t>(past - first, 0);
  a.pad_end = std::max<std::int64_t>(last + 1, 0);
  a.crop_begin += stride * (a.pad_begin - (past - first));
  a.crop_end += stride * (a.pad_end - (last + 1));
  return a;
}

std::vector<PhaseAxis> axes_of(const ir::Graph& graph, const ir::Node& node) {
  const Shape& w = graph.value(node.inputs[1]).constant->shape;
  const auto axes = static_cast<std::size_t>(w.rank) - 2;
  const auto attrs = attrs_of(node);
  const auto strides = attrs.ints("strides", axes), dilations = attrs.ints("dilations", axes),
             pads = attrs.ints("pads", 2 * axes), extra = attrs.ints("output_padding", axes);
  std::vector<PhaseAxis> list;
  for (std::size_t i = 0; i < axes; ++i)
    list.push_back(phases_of(strides[i], dilations[i], w[static_cast<int>(i) + 2], pads[i], pads[i + axes], extra[i]));
  return list;
}

std::string guard_conv_transpose(const Match& m) {
  const ir::Node& node = m.node("conv");
  const auto& w = m.graph->value(node.inputs[1]).constant;
  if (!w) return "the weight is not a constant";
  if (dtype_bits(w->dtype) < 8) return "the weight's elements are no whole bytes";
  if (w->shape.numel() == 0) return "the weight has no elements";
  if (node.inputs.size() > 2 && node.inputs[2] != ir::kNone && !m.graph->value(node.inputs[2]).constant)
    return "the bias is not a constant";
  double size = 1, phases = 1;
  for (const PhaseAxis& a : axes_of(*m.graph, node)) {
    constexpr std::int64_t kMostPad = 1 << 24;  // that a convolution takes
    if (a.pad_begin > kMostPad || a.pad_end > kMostPad) return "its pads would be larger than a convolution takes";
    phases *= static_cast<double>(a.stride);
    size *= static_cast<double>(a.stride * a.taps) / static_cast<double>(a.kernel);
  }
  if (phases > 4096) return "it has more phases than a convolution should have filters";
  // Zeros that would be multiplied: a kernel much smaller than its stride, or a wide dilation.
  if (size > 8) return "most elements of its phases would be zeros";
  return "";
}

/// [M * phases, C / group, taps...] of w [C, M / group, k...]. Without groups a block of filters for each phase, else a
/// block of phases for each filter, as groups must stay together.
std::shared_ptr<const ir::Constant> phase_weights(const ir::Constant& w, std::int64_t group,
                                                  const std::vector<PhaseAxis>& axes) {
  const std::int64_t channels = w.shape[0] / group, filters = w.shape[1] * group, per_group = w.shape[1];
  Shape shape{0, channels};
  std::int64_t phases = 1, kernel = 1, taps = 1;
  for (const PhaseAxis& a : axes) {
    shape.dim[shape.rank++] = a.taps;
    phases *= a.stride;
    kernel *= a.kernel;
    taps *= a.taps;
  }
  shape[0] = filters * phases;
  auto [made, bytes] = ir::allocate_constant(w.dtype, shape);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  const auto size = static_cast<std::size_t>(dtype_bits(w.dtype)) / 8;
  const auto* from = w.as<std::byte>();
  for (std::int64_t phase = 0; phase < phases; ++phase)
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      std::int64_t at = 0, r = phase, t = tap, kernel_stride = 1;
      for (std::size_t i = axes.size(); i-- > 0 && at >= 0;) {
        const PhaseAxis& a = axes[i];
        const std::int64_t k = a.source(r % a.stride, a.taps - 1 - t % a.taps);
        at = k < 0 ? -1 : at + k * kernel_stride;
        kernel_stride *= a.kernel;
        r /= a.stride;
        t /= a.taps;
      }
      if (at < 0) continue;
      for (std::int64_t filter = 0; filter < filters; ++filter) {
        const std::int64_t g = filter / per_group,
                           row = group == 1 ? phase * filters + filter : filter * phases + phase;
        for (std::int64_t c = 0; c < channels; ++c)
          std::memcpy(
              bytes.data() + static_cast<std::size_t>((row * channels + c) * taps + tap) * size,
              from +
                  static_cast<std::size_t>(((g * channels + c) * per_group + filter % per_group) * kernel + at) * size,
              size);
      }
    }
  return made;
}

/// A bias for each phase.
std::shared_ptr<const ir::Constant> phase_bias(const ir::Constant& bias, std::int64_t group, std::int64_t phases) {
  const std::int64_t filters = bias.shape[0];
  auto [made, bytes] = ir::allocate_constant(bias.dtype, Shape{filters * phases});
  const auto size = static_cast<std::size_t>(dtype_bits(bias.dtype)) / 8;
  for (std::int64_t row = 0; row < filters * phases; ++row)
    std::memcpy(bytes.data() + static_cast<std::size_t>(row) * size,
                bias.as<std::byte>() + static_cast<std::size_t>(group == 1 ? row % filters : row / phases) * size,
                size);
  return made;
}

ir::ValueId replace_conv_transpose(const Match& m) {
  const ir::Node& node = m.node("conv");
  const std::vector<PhaseAxis> axes = axes_of(*m.graph, node);
  const std::int64_t group = attrs_of(node).i("group");
  std::vector<std::int64_t> ones(axes.size(), 1), dilations, pads, blocks, starts, ends, cut;
  std::int64_t phases = 1;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const PhaseAxis& a = axes[i];
    dilations.push_back(a.strided() ? 1 : a.dilation);
    pads.push_back(a.pad_begin);
    blocks.push_back(a.stride);
    phases *= a.stride;
    if (a.crop_begin == 0 && a.crop_end == 0) continue;
    cut.push_back(static_cast<std::int64_t>(i) + 2);
    starts.push_back(a.crop_begin);
    ends.push_back(a.crop_end == 0 ? INT64_MAX : -a.crop_end);
  }
  for (const PhaseAxis& a : axes) pads.push_back(a.pad_end);
  ir::Attrs attrs = node.attrs;
  attrs.erase("output_padding");
  attrs.set("strides", ones);
  attrs.set("dilations", dilations);
  attrs.set("pads", pads);
  std::vector<ir::ValueId> inputs{node.inputs[0],
                                  m.add_constant(phase_weights(*m.graph->value(node.inputs[1]).constant, group, axes))};
  if (node.inputs.size() > 2 && node.inputs[2] != ir::kNone)
    inputs.push_back(m.add_constant(phase_bias(*m.graph->value(node.inputs[2]).constant, group, phases)));
  ir::ValueId result = m.add("Conv", inputs, attrs);
  if (phases > 1) {
    ir::Attrs to_space;
    to_space.set("blocksize", blocks);
    to_space.set("mode", group == 1 ? "DCR" : "CRD");
    result = m.add("DepthToSpace", {result}, to_space);
  }
  if (cut.empty()) return result;
  ir::Attrs slice;
  slice.set("axes", cut);
  slice.set("starts", starts);
  slice.set("ends", ends);
  slice.set("steps", std::vector<std::int64_t>(cut.size(), 1));
  return m.add("Slice", {result}, slice);
}

void lower_conv_transpose(ir::Graph& graph, PassContext& context) {
  const Pattern conv = op("ConvTranspose", {any(), any(), rest()}).as("conv");
  apply(graph, context, {{"conv_transpose(x, w)", conv, guard_conv_transpose, replace_conv_transpose}});
}
}  // namespace

const Pass conv_transpose_pass{"lower_conv_transpose",
                               "a transposed convolution becomes a convolution and a move of depth to space",
                               lower_conv_transpose};
}  // namespace monza
