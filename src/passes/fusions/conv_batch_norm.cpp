// Batch normalisation, and a multiplication per channel, behind a convolution (transposed or not) fold into its
// weights:
//   s = scale / sqrt(variance + epsilon);  w' = w * s[m];  b' = (b - mean) * s + bias
#include <algorithm>
#include <cmath>
#include <string_view>

#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {

/// The convolution computes conv + bias only, on constants of f32: "" or why not.
std::string plain(const Match& m) {
  const ir::Node& conv = m.node("conv");
  if (attrs_of(conv).s("activation") != "none") return "the convolution has an activation already";
  if (conv.inputs.size() > 3 && conv.inputs[3] != ir::kNone) return "the convolution adds a residual already";
  for (std::size_t i = 1; i < conv.inputs.size() && i < 3; ++i) {
    if (conv.inputs[i] == ir::kNone) continue;
    const auto& c = m.graph->value(conv.inputs[i]).constant;
    if (!c) return i == 1 ? "the weight is not a constant" : "the bias is not a constant";
    if (c->dtype != DType::f32) return "the weight is not f32";
  }
  return "";
}

/// Filters of the convolution, and which of them an element w[i, j, ...] of its weight belongs to.
struct Filters {
  std::int64_t count = 0, per_group = 0, group_rows = 0;
  bool transposed = false;  ///< w is [C, M / group, k...], not [M, C / group, k...]

  explicit Filters(const Match& m) {
    const ir::Node& conv = m.node("conv");
    const Shape& w = m.graph->value(conv.inputs[1]).constant->shape;
    const std::int64_t group = attrs_of(conv).i("group");
    transposed = std::string_view(conv.op->name) == "ConvTranspose";
    per_group = w[1];
    group_rows = std::max<std::int64_t>(w[0] / group, 1);
    count = transposed ? per_group * group : w[0];
  }
  std::size_t operator()(std::int64_t i, std::int64_t j) const {
    return static_cast<std::size_t>(transposed ? i / group_rows * per_group + j : i);
  }
};

/// The convolution with w * factor[m] and bias * factor[m] + shift[m].
ir::ValueId scaled(const Match& m, const std::vector<double>& factor, const std::vector<double>& shift,
                   bool with_bias) {
  const ir::Node& conv = m.node("conv");
  const ir::Constant& w = *m.graph->value(conv.inputs[1]).constant;
  auto [new_w, bytes] = ir::allocate_constant(DType::f32, w.shape);
  auto* out = reinterpret_cast<float*>(bytes.data());
  const Filters filters(m);
  const std::int64_t inner = w.shape.count(2, w.shape.rank);
  for (std::int64_t i = 0, at = 0; i < w.shape[0]; ++i)
    for (std::int64_t j = 0; j < w.shape[1]; ++j)
      for (const std::int64_t end = at + inner; at < end; ++at)
        out[at] = static_cast<float>(w.as<float>()[at] * factor[filters(i, j)]);
  const bool had_bias = conv.inputs.size() > 2 && conv.inputs[2] != ir::kNone;
  std::vector<ir::ValueId> inputs{conv.inputs[0], m.add_constant(new_w)};
  if (had_bias || with_bias) {
    std::vector<float> bias(static_cast<std::size_t>(filters.count));
    for (std::size_t f = 0; f < bias.size(); ++f) {
      const double b = had_bias ? m.graph->value(conv.inputs[2]).constant->as<float>()[f] : 0.0;
      bias[f] = static_cast<float>(b * factor[f] + shift[f]);
    }
    inputs.push_back(m.add_constant(ir::constant_f32(std::move(bias), Shape{filters.count})));
  }
  return m.add(conv.op->name, inputs, conv.attrs);
}

ir::ValueId fold_norm(const Match& m) {
  const ir::Node& norm = *m.graph->producer(m.output().id);
  const double epsilon = attrs_of(norm).f("epsilon");
  const auto scale = ir::to_doubles(*m.constant("scale")), bias = ir::to_doubles(*m.constant("bias")),
             mean = ir::to_doubles(*m.constant("mean")), variance = ir::to_doubles(*m.constant("variance"));
  std::vector<double> factor, shift;
  for (std::size_t i = 0; i < scale.size(); ++i) {
    factor.push_back(scale[i] / std::sqrt(variance[i] + epsilon));
    shift.push_back(bias[i] - mean[i] * factor[i]);
  }
  return scaled(m, factor, shift, true);
}

/// One element per channel, or one for all, as `channels` numbers; empty when the constant is anything else.
std::vector<double> per_channel(const ir::Constant& c, std::size_t rank, std::int64_t channels) {
  const int lead = static_cast<int>(rank) - c.shape.rank;
  if (lead < 0) return {};
  for (int i = 0; i < c.shape.rank; ++i)
    if (c.shape[i] != 1 && (i + lead != 1 || c.shape[i] != channels)) return {};
  auto values = ir::to_doubles(c);
  if (values.size() == 1) values.assign(static_cast<std::size_t>(channels), values[0]);
  return values;
}

void run_norm(ir::Graph& graph, PassContext& context) {
  const Pattern conv = op("Conv|ConvTranspose", {any(), rest()}).as("conv");
  apply(graph, context,
        {{"batch_norm(conv(x))",
          op("BatchNormalization", {conv, constant("scale"), constant("bias"), constant("mean"), constant("variance")})
              .where([](const ir::Graph&, const ir::Node& n) {
                return n.outputs.size() == 1 && attrs_of(n).i("training_mode") == 0;
              }),
          plain, fold_norm}});
}

void run_scale(ir::Graph& graph, PassContext& context) {
  const Pattern conv = op("Conv|ConvTranspose", {any(), rest()}).as("conv");
  apply(graph, context,
        {{"conv(x) * scale[channel]", op("Mul", {conv, constant("scale")}),
          [](const Match& m) -> std::string {
            if (auto reason = plain(m); !reason.empty()) return reason;
            if (per_channel(*m.constant("scale"), m.output().type.rank(), Filters(m).count).empty())
              return "the factor is not one number per channel";
            return "";
          },
          [](const Match& m) {
            const std::int64_t filters = Filters(m).count;
            return scaled(m, per_channel(*m.constant("scale"), m.output().type.rank(), filters),
                          std::vector<double>(static_cast<std::size_t>(filters), 0.0), false);
          }}});
}
}  // namespace

const Pass conv_batch_norm_pass{"fuse_conv_batch_norm", "batch normalisation folds into the convolution before it",
                                run_norm};
const Pass conv_scale_pass{"fuse_conv_scale", "a factor per channel folds into the convolution before it", run_scale};
}  // namespace monza
