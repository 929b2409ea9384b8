#include "ops/shared/quantized.def.h"

#include "ops/shared/activation.def.h"
#include "ops/shared/requantize.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

bool is_scale_type(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }

void check_one(ir::InferContext& c, int i, const char* what) {
  const ir::Expr count = ir::product(c.shape(i));
  if (count.is_constant() && !(count == ir::Expr(1)))
    c.fail("{} has {} elements; one is supported", what, ir::to_string(count));
}

void check_columns(ir::InferContext& c, int i, const ir::Expr& columns, const char* what) {
  const ir::Expr count = ir::product(c.shape(i));
  if (count.is_constant() && columns.is_constant() && !(count == ir::Expr(1)) && !(count == columns))
    c.fail("{} has {} elements for {} output channels", what, ir::to_string(count), ir::to_string(columns));
}

}  // namespace

bool is_8bit(DType type) { return type == DType::u8 || type == DType::i8; }

DType check_quantized(ir::InferContext& c, const ir::SymShape& out, const ir::Expr& columns) {
  using Q = QInput;
  for (int i : {int{Q::x}, int{Q::w}})
    if (!is_8bit(c.dtype(i))) c.fail("input {} has type {}; u8 or i8 is needed", i, dtype_name(c.dtype(i)));
  for (int i : {int{Q::x_scale}, int{Q::w_scale}, int{Q::y_scale}, int{Q::r_scale}, int{Q::mid_scale}})
    if (c.has_input(i) && !is_scale_type(c.dtype(i))) c.fail("scale (input {}) has type {}", i, dtype_name(c.dtype(i)));
  check_one(c, Q::x_scale, "the activations' scale");
  check_columns(c, Q::w_scale, columns, "the weights' scale");
  if (c.has_input(Q::x_zero)) {
    check_one(c, Q::x_zero, "the activations' zero point");
    if (c.dtype(Q::x_zero) != c.dtype(Q::x)) c.fail("the activations and their zero point differ in type");
  }
  if (c.has_input(Q::w_zero)) {
    check_columns(c, Q::w_zero, columns, "the weights' zero point");
    if (c.dtype(Q::w_zero) != c.dtype(Q::w)) c.fail("the weights and their zero point differ in type");
  }
  if (c.has_input(Q::bias)) {
    if (c.dtype(Q::bias) != DType::i32 && c.dtype(Q::bias) != DType::f32)
      c.fail("bias has type {}", dtype_name(c.dtype(Q::bias)));
    check_columns(c, Q::bias, columns, "bias");
  }
  const bool quantized = c.has_input(Q::y_scale);
  if (c.has_input(Q::residual)) {
    const ir::SymShape& r = c.shape(Q::residual);
    if (r.size() != out.size()) c.fail("residual has rank {}, the output {}", r.size(), out.size());
    for (std::size_t i = 0; i < r.size(); ++i)
      if (r[i].is_constant() && out[i].is_constant() && !(r[i] == out[i]))
        c.fail("residual {} and output {} differ", ir::to_string(r), ir::to_string(out));
    if (quantized != is_8bit(c.dtype(Q::residual)) || (!quantized && c.dtype(Q::residual) != DType::f32))
      c.fail("residual has type {}", dtype_name(c.dtype(Q::residual)));
    if (quantized != c.has_input(Q::r_scale)) c.fail("a quantised residual, and no other, has a scale");
    if (quantized) check_one(c, Q::r_scale, "the residual's scale");
    if (c.has_input(Q::r_zero) && c.dtype(Q::r_zero) != c.dtype(Q::residual))
      c.fail("the residual and its zero point differ in type");
  }
  if (!quantized) {
    if (c.has_input(Q::y_zero) || c.has_input(Q::mid_scale))
      c.fail("an f32 output has no zero point and no inner quantisation");
    if (activation_of(c.attrs()).kind == ActivationKind::prelu) c.fail("the activation prelu is not supported here");
    return DType::f32;
  }
  const Activation act = activation_of(c.attrs());
  if (act.kind == ActivationKind::prelu) c.fail("the activation prelu is not supported here");
  if (!only_bounds(act) && (c.has_input(Q::residual) || c.has_input(Q::mid_scale)))
    c.fail("the activation {} is not supported with a residual of a quantised output", activation_name(act.kind));
  if (c.attrs().i("residual_after") != 0) c.fail("residual_after is not supported with a quantised output");
  check_one(c, Q::y_scale, "the output's scale");
  DType type = DType::u8;
  if (c.has_input(Q::y_zero)) {
    check_one(c, Q::y_zero, "the output's zero point");
    type = c.dtype(Q::y_zero);
    if (!is_8bit(type)) c.fail("the output's zero point has type {}", dtype_name(type));
  }
  if (c.has_input(Q::mid_scale)) {
    check_one(c, Q::mid_scale, "the inner scale");
    if (c.has_input(Q::mid_zero) && !is_8bit(c.dtype(Q::mid_zero)))
      c.fail("the inner zero point has type {}", dtype_name(c.dtype(Q::mid_zero)));
  }
  return type;
}

}  // namespace monza::ops
