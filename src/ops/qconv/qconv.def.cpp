// ConvInteger, QConv: attributes, shapes, parameters, cost.
#include "ir/op.h"
#include "ops/conv/conv.def.h"
#include "ops/qconv/qconv.params.h"
#include "ops/shared/activation.def.h"
#include "ops/shared/quantized.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

ir::SymShape conv_shape(ir::InferContext& c, const ir::SymShape& x, const ir::SymShape& w) {
  if (x.size() < 3 || x.size() > 5)
    c.fail("input has rank {}; 1 to 3 spatial axes after batch and channel are supported", x.size());
  if (w.size() != x.size()) c.fail("weight has rank {}, input {}", w.size(), x.size());
  const std::int64_t group = c.attrs().i("group");
  if (group < 1) c.fail("group is {}", group);
  const Expr channels = w[1] * Expr(group);
  if (channels.is_constant() && x[1].is_constant() && !(channels == x[1]))
    c.fail("the input has {} channels, the weight times group {}", ir::to_string(x[1]), ir::to_string(channels));
  if (auto m = w[0].try_constant(); m && *m % group != 0) c.fail("{} filters do not divide into {} groups", *m, group);
  return conv_output_shape(x, w, c.attrs());
}

void infer_integer(ir::InferContext& c) {
  for (int i : {0, 1})
    if (!is_8bit(c.dtype(i))) c.fail("input {} has type {}; u8 or i8 is needed", i, dtype_name(c.dtype(i)));
  ir::SymShape out = conv_shape(c, c.shape(0), c.shape(1));
  for (int i : {2, 3}) {
    if (!c.has_input(i)) continue;
    if (c.dtype(i) != c.dtype(i - 2)) c.fail("operand {} and its zero point differ in type", i - 2);
    const Expr count = ir::product(c.shape(i));
    if (count.is_constant() && !(count == Expr(1)) && !(i == 3 && (!out[1].is_constant() || count == out[1])))
      c.fail("zero point (input {}) has {} elements", i, ir::to_string(count));
  }
  c.set_output(0, DType::i32, std::move(out));
}

void infer_quantized(ir::InferContext& c) {
  ir::SymShape out = conv_shape(c, c.shape(QInput::x), c.shape(QInput::w));
  const DType type = check_quantized(c, out, out[1]);
  c.set_output(0, type, std::move(out));
}

void params_integer(const ir::NodeView& n, ir::ParamsBlob& blob) {
  blob.set(QConvParams(conv_params_of(n.attrs(), n.input(0).rank())));
}

void params_quantized(const ir::NodeView& n, ir::ParamsBlob& blob) {
  QConvParams p = conv_params_of(n.attrs(), n.input(0).rank());
  p.act = activation_of(n.attrs());
  p.residual_after = n.attrs().i("residual_after") != 0;
  blob.set(p);
}

double flops(const std::vector<Shape>& out, const Shape& w) {
  return 2.0 * static_cast<double>(out[0].numel()) * static_cast<double>(w.count(1, w.rank));
}
double flops_integer(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return flops(out, in[1]);
}
double flops_quantized(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return flops(out, in[QInput::w]);
}

constexpr auto kAttrs = ir::joined(kConvAttrs, kActivationAttrs, kResidualAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "ConvInteger",
     .attrs = kConvAttrs,
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_integer,
     .params = params_integer,
     .flops = flops_integer},
    {.name = "QConv",
     .attrs = kAttrs,
     .min_inputs = 5,
     .max_inputs = QInput::count,
     .infer = infer_quantized,
     .params = params_quantized,
     .flops = flops_quantized},
};

}  // namespace

extern const ir::OpList qconv_ops{kOps};

}  // namespace monza::ops
