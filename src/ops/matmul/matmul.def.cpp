// MatMul: attributes, shapes, parameters, cost.
#include "ir/op.h"
#include "ops/matmul/matmul.params.h"
#include "ops/shared/activation.def.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

/// One extent of two that broadcast together; `what` names the axis in the error.
Expr broadcast(ir::InferContext& c, const Expr& a, const Expr& b, const char* what) {
  if (a == b || b == Expr(1)) return a;
  if (a == Expr(1)) return b;
  if (a.is_constant() && b.is_constant()) c.fail("{}: {} against {}", what, ir::to_string(a), ir::to_string(b));
  // Only one of them may be symbolic and 1 at run time; the constant one is then the extent.
  if (a.is_constant()) return a;
  if (b.is_constant()) return b;
  return broadcast_extent(c.model(), a, b);
}

void check_broadcast(ir::InferContext& c, int input, const ir::SymShape& out, const char* what) {
  const ir::SymShape& shape = c.shape(input);
  if (shape.size() > out.size()) c.fail("{} has rank {}, the output {}", what, shape.size(), out.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const Expr& have = shape[shape.size() - 1 - i];
    const Expr& want = out[out.size() - 1 - i];
    if (have.is_constant() && want.is_constant() && !(have == want) && !(have == Expr(1)))
      c.fail("{} does not broadcast to the output: {} against {}", what, ir::to_string(shape), ir::to_string(out));
  }
}

void infer(ir::InferContext& c) {
  ir::SymShape a = c.shape(0), b = c.shape(1);
  if (a.empty() || b.empty()) c.fail("an operand is a scalar");
  const DType type = c.dtype(0);
  const bool number = type == DType::f32 || type == DType::f64 || type == DType::f16 || type == DType::bf16 ||
                      type == DType::i32 || type == DType::i64 || type == DType::u32 || type == DType::u64;
  if (!number) c.fail("element type {} is not one MatMul takes", dtype_name(type));
  const bool trans_a = c.attrs().i("trans_a") != 0, trans_b = c.attrs().i("trans_b") != 0;
  if (is_block_encoding(c.dtype(1))) {
    if (type != DType::f32) c.fail("a block-quantised weight needs f32 activations, not {}", dtype_name(type));
    if (!trans_b || b.size() < 2) c.fail("a block-quantised weight has rows of K elements: trans_b must be 1");
  } else if (c.dtype(1) != type) {
    c.fail("operands have element types {} and {}", dtype_name(type), dtype_name(c.dtype(1)));
  }
  for (int i = 2; i < c.input_count(); ++i)
    if (c.has_input(i) && c.dtype(i) != type)
      c.fail("input {} has element type {}, input 0 {}", i, dtype_name(c.dtype(i)), dtype_name(type));
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), Expr(1));
  if (vector_b) b.push_back(Expr(1));
  if (trans_a && !vector_a) std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (trans_b && !vector_b) std::swap(b[b.size() - 1], b[b.size() - 2]);
  const Expr &ka = a[a.size() - 1], &kb = b[b.size() - 2];
  if (ka.is_constant() && kb.is_constant() && !(ka == kb))
    c.fail("inner extents differ: {} against {}", ir::to_string(ka), ir::to_string(kb));

  ir::SymShape out;
  const std::size_t batch_a = a.size() - 2, batch_b = b.size() - 2, batch = std::max(batch_a, batch_b);
  for (std::size_t i = 0; i < batch; ++i) {
    const Expr ea = i + batch_a >= batch ? a[i + batch_a - batch] : Expr(1);
    const Expr eb = i + batch_b >= batch ? b[i + batch_b - batch] : Expr(1);
    out.push_back(broadcast(c, ea, eb, "batch extents do not broadcast"));
  }
  if (!vector_a) out.push_back(a[a.size() - 2]);
  if (!vector_b) out.push_back(b[b.size() - 1]);
  if (c.has_input(2)) check_broadcast(c, 2, out, "bias");
  if (c.has_input(3)) check_broadcast(c, 3, out, "residual");
  if (activation_of(c.attrs()).kind == ActivationKind::prelu) c.fail("the activation prelu is not one MatMul takes");
  c.set_output(0, type, std::move(out));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  MatMulParams p;
  p.trans_a = n.attrs().i("trans_a") != 0 && n.input(0).rank() > 1;
  p.trans_b = n.attrs().i("trans_b") != 0 && n.input(1).rank() > 1;
  p.alpha = static_cast<float>(n.attrs().f("alpha"));
  p.act = activation_of(n.attrs());
  p.residual_after = n.attrs().i("residual_after") != 0;
  blob.set(p);
}

double flops(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  const Shape& a = in[0];
  const bool trans_a = n.attrs().i("trans_a") != 0 && a.rank > 1;
  return 2.0 * static_cast<double>(out[0].numel()) * static_cast<double>(trans_a ? a[a.rank - 2] : a[a.rank - 1]);
}

constexpr ir::AttrDef kProductAttrs[] = {{"trans_a", 0}, {"trans_b", 0}, {"alpha", 1.0}};
constexpr auto kAttrs = ir::joined(kProductAttrs, kActivationAttrs, kResidualAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "MatMul",
     .attrs = kAttrs,
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer,
     .params = params,
     .flops = flops},
};

}  // namespace

extern const ir::OpList matmul_ops{kOps};

}  // namespace monza::ops
