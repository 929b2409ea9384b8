// ConvTranspose: attributes, shapes, parameters, cost.
#include "ir/op.h"
#include "ops/conv/conv.def.h"
#include "ops/convtranspose/convtranspose.params.h"
#include "ops/shared/activation.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

void infer(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const ir::SymShape& w = c.shape(1);
  if (x.size() < 3 || x.size() > 5)
    c.fail("input has rank {}; 1 to 3 spatial axes after batch and channel are supported", x.size());
  if (w.size() != x.size()) c.fail("weight has rank {}, input {}", w.size(), x.size());
  const DType type = c.dtype(0);
  if (type != DType::f32 && type != DType::f64 && type != DType::f16 && type != DType::bf16)
    c.fail("element type {} is not a floating point type ConvTranspose takes", dtype_name(type));
  for (int i = 1; i < c.input_count(); ++i)
    if (c.has_input(i) && c.dtype(i) != type)
      c.fail("input {} has element type {}, input 0 {}", i, dtype_name(c.dtype(i)), dtype_name(type));
  const ConvParams p = conv_params_of(c.attrs(), x.size());
  if (p.padding != ConvParams::Padding::given) c.fail("auto_pad is resolved when a ConvTranspose is made");
  if (p.group < 1) c.fail("group is {}", p.group);
  if (x[1].is_constant() && w[0].is_constant() && !(x[1] == w[0]))
    c.fail("channels of the input and of the weight differ: {} against {}", ir::to_string(x[1]), ir::to_string(w[0]));
  for (const Expr& e : {x[1], w[0]})
    if (auto channels = e.try_constant(); channels && *channels % p.group != 0)
      c.fail("{} channels do not divide into {} groups", *channels, p.group);
  const auto extra = c.attrs().ints("output_padding", x.size() - 2);
  if (extra.size() != x.size() - 2)
    c.fail("output_padding has {} entries for {} spatial axes", extra.size(), x.size() - 2);
  ir::SymShape out{x[0], w[1] * Expr(p.group)};
  for (std::size_t i = 0; i + 2 < x.size(); ++i) {
    const Expr extent = (x[i + 2] - Expr(1)) * Expr(p.stride[i]) + (w[i + 2] - Expr(1)) * Expr(p.dilation[i]) +
                        Expr(1 + extra[i] - p.pad_begin[i] - p.pad_end[i]);
    if (auto value = extent.try_constant(); value && *value < 0)
      c.fail("spatial axis {} of the output would have {} elements", i, *value);
    out.push_back(extent);
  }
  if (c.has_input(2)) {
    if (c.shape(2).size() != 1) c.fail("bias has rank {}, not 1", c.shape(2).size());
    if (c.shape(2)[0].is_constant() && out[1].is_constant() && !(c.shape(2)[0] == out[1]))
      c.fail("bias has {} elements for {} filters", ir::to_string(c.shape(2)[0]), ir::to_string(out[1]));
  }
  if (activation_of(c.attrs()).kind == ActivationKind::prelu)
    c.fail("the activation prelu is not one ConvTranspose takes");
  c.set_output(0, type, std::move(out));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ConvTransposeParams p = conv_params_of(n.attrs(), n.input(0).rank());
  p.act = activation_of(n.attrs());
  blob.set(p);
}

double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return 2.0 * static_cast<double>(in[0].numel()) * static_cast<double>(in[1].count(1, in[1].rank));
}

constexpr ir::AttrDef kOwnAttrs[] = {{"output_padding", ir::Each{0}}};
constexpr auto kAttrs = ir::joined(kConvAttrs, kActivationAttrs, kOwnAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "ConvTranspose",
     .attrs = kAttrs,
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer,
     .params = params,
     .flops = flops},
};

}  // namespace

extern const ir::OpList convtranspose_ops{kOps};

}  // namespace monza::ops
