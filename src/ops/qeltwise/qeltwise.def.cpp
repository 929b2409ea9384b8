// QAdd, QGlobalAveragePool: shapes, types, parameters.
#include "ir/op.h"
#include "ops/qeltwise/qeltwise.params.h"
#include "ops/shared/activation.def.h"
#include "ops/shared/quantized.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// Checks a scale and the zero point behind it; `type` is the type of what they quantise, or invalid.
void check_scale(ir::InferContext& c, int i, DType type) {
  if (c.dtype(i) != DType::f32) c.fail("scale (input {}) has type {}, not f32", i, dtype_name(c.dtype(i)));
  for (int k : {i, i + 1}) {
    if (!c.has_input(k)) continue;
    const ir::Expr count = ir::product(c.shape(k));
    if (count.is_constant() && !(count == ir::Expr(1)))
      c.fail("input {} has {} elements; one is supported", k, ir::to_string(count));
  }
  if (c.has_input(i + 1) && type != DType::invalid && c.dtype(i + 1) != type)
    c.fail("zero point (input {}) has another type", i + 1);
}

DType output_type(ir::InferContext& c, int zero) {
  const DType type = c.has_input(zero) ? c.dtype(zero) : DType::u8;
  if (!is_8bit(type)) c.fail("the output's zero point has type {}", dtype_name(type));
  return type;
}

void infer_add(ir::InferContext& c) {
  for (int i : {0, 3}) {
    if (!is_8bit(c.dtype(i))) c.fail("input {} has type {}; u8 or i8 is needed", i, dtype_name(c.dtype(i)));
    check_scale(c, i + 1, c.dtype(i));
  }
  check_scale(c, 6, DType::invalid);
  if (c.shape(0) != c.shape(3))
    c.fail("operands {} and {} differ", ir::to_string(c.shape(0)), ir::to_string(c.shape(3)));
  const ActivationKind kind = activation_of(c.attrs()).kind;
  if (kind != ActivationKind::none && kind != ActivationKind::relu && kind != ActivationKind::clip)
    c.fail("the activation {} is not supported with a quantised output", activation_name(kind));
  c.set_output(0, output_type(c, 7), c.shape(0));
}

void infer_pool(ir::InferContext& c) {
  if (!is_8bit(c.dtype(0))) c.fail("input 0 has type {}; u8 or i8 is needed", dtype_name(c.dtype(0)));
  check_scale(c, 1, c.dtype(0));
  check_scale(c, 3, DType::invalid);
  if (c.shape(0).size() < 3)
    c.fail("input has rank {}; at least one axis after batch and channel is needed", c.shape(0).size());
  ir::SymShape out(c.shape(0).size(), ir::Expr(1));
  out[0] = c.shape(0)[0];
  out[1] = c.shape(0)[1];
  c.set_output(0, output_type(c, 4), std::move(out));
}

void params_pool(const ir::NodeView&, ir::ParamsBlob& blob) { blob.set(QEltwiseParams{}); }

void params_add(const ir::NodeView& n, ir::ParamsBlob& blob) {
  QEltwiseParams p;
  p.act = activation_of(n.attrs());
  blob.set(p);
}

double one_an_element(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return static_cast<double>(in[0].numel());
}

constexpr ir::OpDef kOps[] = {
    {.name = "QAdd",
     .attrs = kActivationAttrs,
     .min_inputs = 7,
     .max_inputs = 8,
     .infer = infer_add,
     .params = params_add,
     .flops = one_an_element},
    {.name = "QGlobalAveragePool",
     .min_inputs = 4,
     .max_inputs = 5,
     .infer = infer_pool,
     .params = params_pool,
     .flops = one_an_element},
};

}  // namespace

extern const ir::OpList qeltwise_ops{kOps};

}  // namespace monza::ops
