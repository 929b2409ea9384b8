// SeparableConv: attributes, shapes, parameters, cost. The attributes strides, dilations and pads are those of the
// depthwise part, depth_activation, depth_alpha and depth_beta its activation; activation, act_alpha, act_beta and
// residual_after belong to the 1x1 part.
#include "ir/op.h"
#include "ops/conv/conv.def.h"
#include "ops/sepconv/sepconv.params.h"
#include "ops/shared/activation.def.h"

namespace monza::ops {
namespace {

using ir::Expr;

void require_equal(ir::InferContext& c, const Expr& a, const Expr& b, const char* what) {
  if (a.is_constant() && b.is_constant() && !(a == b))
    c.fail("{}: {} against {}", what, ir::to_string(a), ir::to_string(b));
}

Activation depth_activation_of(const ir::AttrReader& attrs) {
  ir::Attrs own;
  own.set("activation", attrs.s("depth_activation"));
  own.set("act_alpha", attrs.f("depth_alpha"));
  own.set("act_beta", attrs.f("depth_beta"));
  return activation_of({kActivationAttrs, own});
}

/// The attributes as a Conv's, which has more than these.
ir::AttrReader depth_of(const ir::AttrReader& attrs) { return {kConvAttrs, attrs.given()}; }

void infer(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &depth = c.shape(1), &w = c.shape(3);
  if (x.size() != 4 || depth.size() != 4 || w.size() != 4)
    c.fail("input and weights have ranks {}, {} and {}, not 4", x.size(), depth.size(), w.size());
  for (int i = 0; i < c.input_count(); ++i)
    if (c.has_input(i) && c.dtype(i) != DType::f32) c.fail("input {} is not f32", i);
  require_equal(c, depth[0], x[1], "filters of the depthwise part and channels differ");
  require_equal(c, depth[1], Expr(1), "channels of a depthwise filter");
  require_equal(c, w[1], x[1], "channels of the second weight and of the input differ");
  for (std::size_t i = 2; i < 4; ++i) require_equal(c, w[i], Expr(1), "extent of the second kernel");
  ir::SymShape out = conv_output_shape(x, depth, depth_of(c.attrs()));
  out[1] = w[0];
  for (const int i : {2, 4})
    if (c.has_input(i)) {
      if (c.shape(i).size() != 1) c.fail("bias {} has rank {}, not 1", i, c.shape(i).size());
      require_equal(c, c.shape(i)[0], i == 2 ? x[1] : w[0], "bias elements and filters differ");
    }
  if (c.has_input(5)) {
    if (c.shape(5).size() != 4) c.fail("residual has rank {}, the output 4", c.shape(5).size());
    for (std::size_t i = 0; i < 4; ++i) require_equal(c, c.shape(5)[i], out[i], "residual and output differ");
  }
  if (depth_activation_of(c.attrs()).kind == ActivationKind::prelu) c.fail("the depthwise part takes no slope");
  if ((activation_of(c.attrs()).kind == ActivationKind::prelu) != c.has_input(6))
    c.fail("a slope is there exactly when the activation is prelu");
  if (c.has_input(6)) {
    const Expr count = ir::product(c.shape(6));
    if (!(count == Expr(1))) require_equal(c, count, w[0], "slopes and filters differ");
  }
  c.set_output(0, DType::f32, std::move(out));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  SeparableConvParams p;
  p.depth = conv_params_of(depth_of(n.attrs()), 4);
  if (const auto channels = n.input(1).shape[0].try_constant()) p.depth.group = static_cast<std::int32_t>(*channels);
  p.depth.act = depth_activation_of(n.attrs());
  p.point.act = activation_of(n.attrs());
  p.point.residual_after = n.attrs().i("residual_after") != 0;
  blob.set(p);
}

double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  const double pixels = static_cast<double>(out[0][0] * out[0].count(2, 4)), channels = static_cast<double>(in[1][0]);
  return 2.0 * pixels * channels * static_cast<double>(in[1].count(2, 4) + out[0][1]);
}

constexpr ir::AttrDef kDepthAttrs[] = {{"strides", ir::Each{1}},     {"dilations", ir::Each{1}}, {"pads", ir::Each{0}},
                                       {"depth_activation", "none"}, {"depth_alpha", 0.0},       {"depth_beta", 0.0}};
constexpr auto kAttrs = ir::joined(kDepthAttrs, kActivationAttrs, kResidualAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "SeparableConv",
     .attrs = kAttrs,
     .min_inputs = 4,
     .max_inputs = 7,
     .infer = infer,
     .params = params,
     .flops = flops},
};

}  // namespace

extern const ir::OpList sepconv_ops{kOps};

}  // namespace monza::ops
