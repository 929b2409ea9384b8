// What the kernels of this family rely on: inner extents that agree, batches, biases and residuals that broadcast.
#include <cstddef>

#include "kernel/check_rules.h"
#include "ops/matmul/matmul.params.h"
#include "ops/shared/product.check.h"

namespace monza::ops {
namespace {

Refusal check_matmul(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 4})) return r;
  const auto& p = c.params_as<MatMulParams>();
  const TensorView &a = c.in[0], &b = c.in[1], &out = c.out[0];
  const bool blocks = is_block_encoding(b.dtype);
  MONZA_REQUIRE(plain(a) && out.dtype == a.dtype && (b.dtype == a.dtype || (blocks && a.dtype == DType::f32)),
                "the element types do not fit the operator");
  for (int i = 2; i < c.in_count; ++i)
    MONZA_REQUIRE(!c.has_input(i) || (c.in[i].dtype == a.dtype && broadcasts(c.in[i].shape, out.shape)),
                  "bias or residual does not broadcast to the product");
  // Rows of a block encoding are whole: they are what is summed over. How packed ones lie is their kernel's affair.
  MONZA_REQUIRE(!blocks || (p.trans_b != 0 && b.shape.rank >= 2 && (b.layout == Layout::packed || b.dense())),
                "a block-quantised factor is not in rows");
  ProductExtents e;
  return refuse_product(a.shape, b.shape, out.shape, p.trans_a != 0, p.trans_b != 0, e);
}

constexpr OperatorCheck kMatmulChecks[] = {
    {.op = "MatMul", .check = check_matmul, .epilogue_at = offsetof(MatMulParams, act)},
};

}  // namespace

extern const CheckList matmul_checks{kMatmulChecks};

}  // namespace monza::ops
