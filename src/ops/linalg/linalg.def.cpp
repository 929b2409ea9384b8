// Det: determinants of square matrices.
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// Det(x [..., n, n]): [...].
void infer_det(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  if (x.size() < 2) c.fail("input has rank {}; at least 2 is needed", x.size());
  if (!is_float(c.dtype(0))) c.fail("element type {} is not a floating point type", dtype_name(c.dtype(0)));
  require_equal(x[x.size() - 2], x.back(), "the matrices are not square");
  c.set_output(0, c.dtype(0), ir::SymShape(x.begin(), x.end() - 2));
}

double flops_det(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return static_cast<double>(in[0].numel()) * static_cast<double>(in[0][in[0].rank - 1]);
}

constexpr ir::OpDef kOps[] = {
    {.name = "Det", .infer = infer_det, .flops = flops_det},
};

}  // namespace

extern const ir::OpList linalg_ops{kOps};

}  // namespace monza::ops
