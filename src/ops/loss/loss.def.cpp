// NegativeLogLikelihoodLoss: types, shapes, parameters.
#include "ir/op.h"
#include "ops/loss/loss.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

NllParams::Reduction reduction_of(const ir::AttrReader& attrs) {
  const std::string text = attrs.s("reduction");
  if (text == "none") return NllParams::Reduction::none;
  if (text == "sum") return NllParams::Reduction::sum;
  if (text == "mean") return NllParams::Reduction::mean;
  fail("reduction \"{}\" is not none, sum or mean", text);
}

void infer(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &target = c.shape(1);
  if (x.size() < 2 || target.size() + 1 != x.size())
    c.fail("the target {} does not fit the input {}", ir::to_string(target), ir::to_string(x));
  if (!is_float(c.dtype(0))) c.fail("element type {} is not a float", dtype_name(c.dtype(0)));
  if (c.dtype(1) != DType::i32 && c.dtype(1) != DType::i64)
    c.fail("the target has element type {}, not i32 or i64", dtype_name(c.dtype(1)));
  if (c.has_input(2) && (c.shape(2).size() != 1 || c.dtype(2) != c.dtype(0)))
    c.fail("the weight has type {}", ir::to_string(c.input(2)));
  c.set_output(0, c.dtype(0), reduction_of(c.attrs()) == NllParams::Reduction::none ? target : ir::SymShape{});
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  NllParams p;
  p.reduction = reduction_of(n.attrs());
  p.ignores = n.attrs().has("ignore_index");
  if (p.ignores) p.ignore_index = n.attrs().i("ignore_index");
  blob.set(p);
}

constexpr ir::AttrDef kAttrs[] = {{"reduction", "mean"}, {"ignore_index", ir::AttrKind::integer}};

constexpr ir::OpDef kOps[] = {
    {.name = "NegativeLogLikelihoodLoss",
     .attrs = kAttrs,
     .min_inputs = 2,
     .max_inputs = 3,
     .infer = infer,
     .params = params},
};

}  // namespace

extern const ir::OpList loss_ops{kOps};

}  // namespace monza::ops
