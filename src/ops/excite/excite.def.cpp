// SqueezeExcite: attributes, shapes, parameters, cost. inner_activation, inner_alpha and inner_beta are what follows
// the first product; activation, act_alpha and act_beta belong to the second.
#include "ir/op.h"
#include "ops/excite/excite.params.h"
#include "ops/shared/activation.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

void require_equal(ir::InferContext& c, const Expr& a, const Expr& b, const char* what) {
  if (a.is_constant() && b.is_constant() && !(a == b))
    c.fail("{}: {} against {}", what, ir::to_string(a), ir::to_string(b));
}

Activation inner_activation_of(const ir::AttrReader& attrs) {
  ir::Attrs own;
  own.set("activation", attrs.s("inner_activation"));
  own.set("act_alpha", attrs.f("inner_alpha"));
  own.set("act_beta", attrs.f("inner_beta"));
  return activation_of({kActivationAttrs, own});
}

void infer(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &squeeze = c.shape(1), &excite = c.shape(3);
  if (x.size() < 3) c.fail("input has rank {}; batch, channels and at least one spatial axis are needed", x.size());
  if (squeeze.size() != 2 || excite.size() != 2)
    c.fail("weights have ranks {} and {}, not 2", squeeze.size(), excite.size());
  const DType type = c.dtype(0);
  if (type != DType::f32 && type != DType::f16) c.fail("element type {} is neither f32 nor f16", dtype_name(type));
  for (int i = 1; i < c.input_count(); ++i)
    if (c.has_input(i) && c.dtype(i) != type)
      c.fail("input {} has element type {}, input 0 {}", i, dtype_name(c.dtype(i)), dtype_name(type));
  require_equal(c, squeeze[1], x[1], "columns of the first weight and channels differ");
  require_equal(c, excite[0], x[1], "rows of the second weight and channels differ");
  require_equal(c, excite[1], squeeze[0], "what the second weight takes and the first one gives differ");
  for (const int i : {2, 4})
    if (c.has_input(i)) {
      if (c.shape(i).size() != 1) c.fail("bias {} has rank {}, not 1", i, c.shape(i).size());
      require_equal(c, c.shape(i)[0], i == 2 ? squeeze[0] : x[1], "bias elements and rows of its weight differ");
    }
  if (inner_activation_of(c.attrs()).kind == ActivationKind::prelu ||
      activation_of(c.attrs()).kind == ActivationKind::prelu)
    c.fail("an activation has slopes");
  c.set_output(0, type, x);
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  blob.set(SqueezeExciteParams{inner_activation_of(n.attrs()), activation_of(n.attrs())});
}

double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return 2.0 * static_cast<double>(out[0].numel()) + 4.0 * static_cast<double>(out[0][0] * in[1].numel());
}

constexpr ir::AttrDef kInnerAttrs[] = {{"inner_activation", "none"}, {"inner_alpha", 0.0}, {"inner_beta", 0.0}};
constexpr auto kAttrs = ir::joined(kInnerAttrs, kActivationAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "SqueezeExcite",
     .attrs = kAttrs,
     .min_inputs = 4,
     .max_inputs = 5,
     .infer = infer,
     .params = params,
     .flops = flops},
};

}  // namespace

extern const ir::OpList excite_ops{kOps};

}  // namespace monza::ops
