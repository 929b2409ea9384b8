// DeformConv: shapes and parameters.
#include "ops/deform_conv/deform_conv.params.h"

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

DeformConvParams params_of(const ir::AttrReader& attrs) {
  DeformConvParams p;
  const auto strides = attrs.ints("strides", 2), dilations = attrs.ints("dilations", 2), pads = attrs.ints("pads", 4);
  if (strides.size() != 2 || dilations.size() != 2 || pads.size() != 4) fail("two spatial axes are supported");
  constexpr std::int64_t kMost = 1 << 24;
  for (std::size_t i = 0; i < 2; ++i) {
    if (strides[i] < 1 || dilations[i] < 1 || strides[i] > kMost || dilations[i] > kMost)
      fail("stride {} or dilation {} is out of range", strides[i], dilations[i]);
    p.stride[i] = static_cast<std::int32_t>(strides[i]);
    p.dilation[i] = static_cast<std::int32_t>(dilations[i]);
    for (std::int64_t pad : {pads[i], pads[i + 2]})
      if (pad < -kMost || pad > kMost) fail("pad {} is out of range", pad);
    p.pad_begin[i] = static_cast<std::int32_t>(pads[i]);
    p.pad_end[i] = static_cast<std::int32_t>(pads[i + 2]);
  }
  const std::int64_t group = attrs.i("group"), offset_group = attrs.i("offset_group");
  if (group < 1 || offset_group < 1 || group > kMost || offset_group > kMost)
    fail("group is {} and offset_group {}", group, offset_group);
  p.group = static_cast<std::int32_t>(group);
  p.offset_group = static_cast<std::int32_t>(offset_group);
  return p;
}

/// DeformConv(x, w, offset, bias?, mask?) {strides, dilations, pads, group, offset_group}.
void infer_deform_conv(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &w = c.shape(1), &offset = c.shape(2);
  if (x.size() != 4 || w.size() != 4 || offset.size() != 4)
    c.fail("input, weight and offset have ranks {}, {} and {}; two spatial axes are supported", x.size(), w.size(),
           offset.size());
  for (int i = 0; i < c.input_count(); ++i)
    if (c.has_input(i) && (c.dtype(i) != c.dtype(0) || !is_float(c.dtype(i))))
      c.fail("input {} has element type {}", i, dtype_name(c.dtype(i)));
  const DeformConvParams p = params_of(c.attrs());
  require_equal(x[1], w[1] * Expr(p.group), "channels of the input and of the weight times group differ");
  ir::SymShape out{x[0], w[0]};
  for (std::size_t i = 0; i < 2; ++i) {
    const Expr room =
        x[i + 2] + Expr(p.pad_begin[i] + p.pad_end[i]) - (w[i + 2] - Expr(1)) * Expr(p.dilation[i]) - Expr(1);
    out.push_back(ir::floor_div(room, p.stride[i]) + Expr(1));
    require_equal(offset[i + 2], out.back(), "offset and output differ");
  }
  const Expr taps = w[2] * w[3] * Expr(p.offset_group);
  require_equal(offset[1], taps * Expr(2), "channels of the offset");
  if (c.has_input(3)) require_equal(ir::product(c.shape(3)), w[0], "bias elements and filters differ");
  if (c.has_input(4)) {
    if (c.shape(4).size() != 4) c.fail("mask has rank {}, not 4", c.shape(4).size());
    require_equal(c.shape(4)[1], taps, "channels of the mask");
  }
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_deform_conv(const ir::NodeView& n, ir::ParamsBlob& blob) { blob.set(params_of(n.attrs())); }

double flops_deform_conv(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return 2.0 * static_cast<double>(out[0].numel()) * static_cast<double>(in[1].count(1, 4));
}

constexpr ir::AttrDef kAttrs[] = {
    {"strides", ir::Each{1}}, {"dilations", ir::Each{1}}, {"pads", ir::Each{0}}, {"group", 1}, {"offset_group", 1}};

constexpr ir::OpDef kOps[] = {
    {.name = "DeformConv",
     .attrs = kAttrs,
     .min_inputs = 3,
     .max_inputs = 5,
     .infer = infer_deform_conv,
     .params = params_deform_conv,
     .flops = flops_deform_conv},
};

}  // namespace

extern const ir::OpList deform_conv_ops{kOps};

}  // namespace monza::ops
