// ExpertMatMul: products of rows with those matrices that were chosen for each.
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

bool is_weight(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || is_block_encoding(type);
}

/// ExpertMatMul(x, w, chosen): y[i, j] = w[chosen[i, j]] x[i], or x[i, j] where x has a row for each choice.
///   x : f32 [n, K] or [n, used, K]   w : [experts, N, K], floats or blocks   chosen : i64 [n, used]
///   y : f32 [n, used, N]
void infer_experts(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &w = c.shape(1), &chosen = c.shape(2);
  if (c.dtype(0) != DType::f32 || c.dtype(2) != DType::i64 || !is_weight(c.dtype(1)))
    c.fail("rows of {}, weights of {} and choices of {} are not supported", dtype_name(c.dtype(0)),
           dtype_name(c.dtype(1)), dtype_name(c.dtype(2)));
  if (chosen.size() != 2 || w.size() != 3 || (x.size() != 2 && x.size() != 3))
    c.fail("rows {}, weights {} and choices {} are not [n, K], [experts, N, K] and [n, used]", ir::to_string(x),
           ir::to_string(w), ir::to_string(chosen));
  if (!(x[0] == chosen[0]) || (x.size() == 3 && !(x[1] == chosen[1])))
    c.fail("rows {} do not fit choices {}", ir::to_string(x), ir::to_string(chosen));
  if (!(x.back() == w[2])) c.fail("rows have {} elements, weights {}", ir::to_string(x.back()), ir::to_string(w[2]));
  c.set_output(0, DType::f32, {chosen[0], chosen[1], w[1]});
}

double flops_of_experts(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return 2.0 * static_cast<double>(out[0].numel()) * static_cast<double>(in[1][2]);
}

constexpr ir::OpDef kExpertOps[] = {
    {.name = "ExpertMatMul", .min_inputs = 3, .max_inputs = 3, .infer = infer_experts, .flops = flops_of_experts},
};

}  // namespace

extern const ir::OpList experts_ops{kExpertOps};

}  // namespace monza::ops
