// Conv: attributes, shapes, parameters, cost.
#include "ops/conv/conv.def.h"
#include "ir/op.h"
#include "monza/dtype.h"
#include "ops/conv/conv.params.h"
#include "ops/shared/activation.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

ConvParams::Padding padding_of(const ir::AttrReader& attrs) {
  const std::string text = attrs.s("auto_pad");
  if (text == "same_upper") return ConvParams::Padding::same_upper;
  if (text == "same_lower") return ConvParams::Padding::same_lower;
  if (text != "given") fail("auto_pad \"{}\" is not known", text);
  return ConvParams::Padding::given;
}

struct Spatial {
  std::vector<std::int64_t> strides, dilations, pads;  // pads: begins, then ends
};

Spatial spatial_of(const ir::AttrReader& attrs, std::size_t axes) {
  Spatial s{attrs.ints("strides", axes), attrs.ints("dilations", axes), attrs.ints("pads", 2 * axes)};
  if (s.strides.size() != axes || s.dilations.size() != axes || s.pads.size() != 2 * axes)
    fail("strides, dilations and pads have {}, {} and {} entries for {} spatial axes", s.strides.size(),
         s.dilations.size(), s.pads.size(), axes);
  constexpr std::int64_t kMost = 1 << 24;
  for (std::size_t i = 0; i < axes; ++i)
    if (s.strides[i] < 1 || s.dilations[i] < 1 || s.strides[i] > kMost || s.dilations[i] > kMost)
      fail("stride {} or dilation {} of spatial axis {} is out of range", s.strides[i], s.dilations[i], i);
  for (std::int64_t pad : s.pads)
    if (pad < -kMost || pad > kMost) fail("pad {} is out of range", pad);
  return s;
}

}  // namespace

ConvParams conv_params_of(const ir::AttrReader& attrs, std::size_t rank) {
  ConvParams p;
  p.spatial = static_cast<std::int32_t>(rank) - 2;
  const std::size_t axes = rank - 2;
  const Spatial s = spatial_of(attrs, axes);
  for (std::size_t i = 0; i < axes; ++i) {
    p.stride[i] = static_cast<std::int32_t>(s.strides[i]);
    p.dilation[i] = static_cast<std::int32_t>(s.dilations[i]);
    p.pad_begin[i] = static_cast<std::int32_t>(s.pads[i]);
    p.pad_end[i] = static_cast<std::int32_t>(s.pads[i + axes]);
  }
  p.padding = padding_of(attrs);
  p.group = static_cast<std::int32_t>(attrs.i("group"));
  return p;
}

ir::SymShape conv_output_shape(const ir::SymShape& x, const ir::SymShape& w, const ir::AttrReader& attrs) {
  const std::size_t axes = x.size() - 2;
  const Spatial s = spatial_of(attrs, axes);
  const auto padding = padding_of(attrs);
  ir::SymShape out{x[0], w[0]};
  for (std::size_t i = 0; i < axes; ++i) {
    if (padding != ConvParams::Padding::given) {
      out.push_back(ir::ceil_div(x[i + 2], s.strides[i]));
      continue;
    }
    const Expr reach = (w[i + 2] - Expr(1)) * Expr(s.dilations[i]) + Expr(1);
    const Expr room = x[i + 2] + Expr(s.pads[i] + s.pads[i + axes]) - reach;
    // A kernel that is longer than the padded input by less than a stride gives an extent of 0.
    const Expr positions = ir::floor_div(room, s.strides[i]) + Expr(1);
    if (auto value = positions.try_constant(); value && *value < 0)
      fail("the kernel reaches over {} elements of spatial axis {}, the padded input has {}", ir::to_string(reach), i,
           ir::to_string(x[i + 2] + Expr(s.pads[i] + s.pads[i + axes])));
    out.push_back(positions);
  }
  return out;
}

namespace {

void require_equal(ir::InferContext& c, const Expr& a, const Expr& b, const char* what) {
  if (a.is_constant() && b.is_constant() && !(a == b))
    c.fail("{}: {} against {}", what, ir::to_string(a), ir::to_string(b));
}

void infer(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const ir::SymShape& w = c.shape(1);
  if (x.size() < 3) c.fail("input has rank {}; batch, channels and at least one spatial axis are needed", x.size());
  if (w.size() != x.size()) c.fail("weight has rank {}, input {}", w.size(), x.size());
  const DType type = c.dtype(0);
  if (type != DType::f32 && type != DType::f64 && type != DType::f16 && type != DType::bf16)
    c.fail("element type {} is not a floating point type Conv takes", dtype_name(type));
  for (int i = 1; i < c.input_count(); ++i)
    if (c.has_input(i) && c.dtype(i) != type)
      c.fail("input {} has element type {}, input 0 {}", i, dtype_name(c.dtype(i)), dtype_name(type));

  const std::int64_t group = c.attrs().i("group");
  if (group < 1) c.fail("group is {}", group);
  require_equal(c, x[1], w[1] * Expr(group), "channels of the input and of the weight times group differ");
  if (auto m = w[0].try_constant(); m && *m % group != 0) c.fail("{} filters do not divide into {} groups", *m, group);

  ir::SymShape out = conv_output_shape(x, w, c.attrs());
  if (c.has_input(2)) {
    if (c.shape(2).size() != 1) c.fail("bias has rank {}, not 1", c.shape(2).size());
    require_equal(c, c.shape(2)[0], w[0], "bias elements and filters differ");
  }
  if (c.has_input(3)) {
    if (c.shape(3).size() != out.size()) c.fail("residual has rank {}, the output {}", c.shape(3).size(), out.size());
    for (std::size_t i = 0; i < out.size(); ++i) require_equal(c, c.shape(3)[i], out[i], "residual and output differ");
  }
  const Activation act = activation_of(c.attrs());
  if ((act.kind == ActivationKind::prelu) != c.has_input(4))
    c.fail("a slope is there exactly when the activation is prelu");
  if (c.has_input(4)) {
    const Expr count = ir::product(c.shape(4));
    if (!(count == Expr(1))) require_equal(c, count, w[0], "slopes and filters differ");
  }
  c.set_output(0, type, std::move(out));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ConvParams p = conv_params_of(n.attrs(), n.input(0).rank());
  p.act = activation_of(n.attrs());
  p.residual_after = n.attrs().i("residual_after") != 0;
  blob.set(p);
}

double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return 2.0 * static_cast<double>(out[0].numel()) * static_cast<double>(in[1].count(1, in[1].rank));
}

constexpr auto kAttrs = ir::joined(kConvAttrs, kActivationAttrs, kResidualAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "Conv",
     .attrs = kAttrs,
     .min_inputs = 2,
     .max_inputs = 5,
     .infer = infer,
     .params = params,
     .flops = flops},
};

}  // namespace

extern const ir::OpList conv_ops{kOps};

}  // namespace monza::ops
