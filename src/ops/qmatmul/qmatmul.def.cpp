// MatMulInteger, QMatMul: attributes, shapes, parameters, cost.
#include "ops/qmatmul/qmatmul.params.h"

#include "ir/op.h"
#include "ops/shared/activation.def.h"
#include "ops/shared/quantized.def.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

Expr broadcast(ir::InferContext& c, const Expr& a, const Expr& b) {
  if (a == b || b == Expr(1)) return a;
  if (a == Expr(1)) return b;
  if (a.is_constant() && b.is_constant())
    c.fail("batch extents {} and {} do not broadcast", ir::to_string(a), ir::to_string(b));
  if (a.is_constant()) return a;
  return b.is_constant() ? b : broadcast_extent(c.model(), a, b);
}

struct Product {
  ir::SymShape out;
  Expr rows = 1, columns = 1;
};

Product product_shape(ir::InferContext& c, const ir::SymShape& a_shape, const ir::SymShape& b_shape) {
  ir::SymShape a = a_shape, b = b_shape;
  if (a.empty() || b.empty()) c.fail("an operand is a scalar");
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), Expr(1));
  if (vector_b) b.push_back(Expr(1));
  if (c.attrs().i("trans_b") != 0) {
    if (b_shape.size() != 2) c.fail("trans_b needs a weight of rank 2, not {}", b_shape.size());
    std::swap(b[0], b[1]);
  }
  const Expr &ka = a[a.size() - 1], &kb = b[b.size() - 2];
  if (ka.is_constant() && kb.is_constant() && !(ka == kb))
    c.fail("inner extents differ: {} against {}", ir::to_string(ka), ir::to_string(kb));
  Product p;
  const std::size_t batch_a = a.size() - 2, batch_b = b.size() - 2, batch = std::max(batch_a, batch_b);
  for (std::size_t i = 0; i < batch; ++i)
    p.out.push_back(broadcast(c, i + batch_a >= batch ? a[i + batch_a - batch] : Expr(1),
                              i + batch_b >= batch ? b[i + batch_b - batch] : Expr(1)));
  p.rows = a[a.size() - 2];
  p.columns = b[b.size() - 1];
  if (!vector_a) p.out.push_back(p.rows);
  if (!vector_b) p.out.push_back(p.columns);
  return p;
}

void infer_integer(ir::InferContext& c) {
  for (int i : {0, 1})
    if (!is_8bit(c.dtype(i))) c.fail("input {} has type {}; u8 or i8 is needed", i, dtype_name(c.dtype(i)));
  Product p = product_shape(c, c.shape(0), c.shape(1));
  for (int i : {2, 3}) {
    if (!c.has_input(i)) continue;
    if (c.dtype(i) != c.dtype(i - 2)) c.fail("operand {} and its zero point differ in type", i - 2);
    const Expr count = ir::product(c.shape(i)), want = i == 2 ? p.rows : p.columns;
    if (count.is_constant() && want.is_constant() && !(count == Expr(1)) && !(count == want))
      c.fail("zero point (input {}) has {} elements; one or {} is supported", i, ir::to_string(count),
             ir::to_string(want));
  }
  c.set_output(0, DType::i32, std::move(p.out));
}

void infer_quantized(ir::InferContext& c) {
  Product p = product_shape(c, c.shape(QInput::x), c.shape(QInput::w));
  const DType type = check_quantized(c, p.out, p.columns);
  c.set_output(0, type, std::move(p.out));
}

void params_integer(const ir::NodeView& n, ir::ParamsBlob& blob) {
  QMatMulParams p;
  p.trans_b = n.attrs().i("trans_b") != 0;
  blob.set(p);
}

void params_quantized(const ir::NodeView& n, ir::ParamsBlob& blob) {
  QMatMulParams p;
  p.trans_b = n.attrs().i("trans_b") != 0;
  p.act = activation_of(n.attrs());
  p.residual_after = n.attrs().i("residual_after") != 0;
  blob.set(p);
}

double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  return 2.0 * static_cast<double>(out[0].numel()) * static_cast<double>(in[0][in[0].rank - 1]);
}

constexpr ir::AttrDef kProductAttrs[] = {{"trans_b", 0}};
constexpr auto kQuantizedAttrs = ir::joined(kProductAttrs, kActivationAttrs, kResidualAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "MatMulInteger",
     .attrs = kProductAttrs,
     .min_inputs = 2,
     .max_inputs = 4,
     .infer = infer_integer,
     .params = params_integer,
     .flops = flops},
    {.name = "QMatMul",
     .attrs = kQuantizedAttrs,
     .min_inputs = 5,
     .max_inputs = QInput::count,
     .infer = infer_quantized,
     .params = params_quantized,
     .flops = flops},
};

}  // namespace

extern const ir::OpList qmatmul_ops{kOps};

}  // namespace monza::ops
