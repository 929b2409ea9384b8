// What the kernels of ExpertMatMul rely on: rows, whole matrices and a choice for each row that fit each other. Which
// matrices are chosen they look at when they run.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

Refusal check_experts(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3})) return r;
  const TensorView &x = c.in[0], &w = c.in[1], &chosen = c.in[2], &out = c.out[0];
  MONZA_REQUIRE(x.dtype == DType::f32 && out.dtype == DType::f32 && chosen.dtype == DType::i64,
                "the element types do not fit the operator");
  MONZA_REQUIRE(w.dtype == DType::f32 || w.dtype == DType::f16 || w.dtype == DType::bf16 || is_block_encoding(w.dtype),
                "the weights are of no type that the operator takes");
  MONZA_REQUIRE(w.shape.rank == 3 && (w.layout == Layout::packed || w.dense()), "the weights are not whole matrices");
  MONZA_REQUIRE(chosen.shape.rank == 2 && chosen.dense() && x.dense() && out.dense(),
                "rows, choices or results are not dense");
  MONZA_REQUIRE(out.shape == (Shape{chosen.shape[0], chosen.shape[1], w.shape[1]}),
                "the results are not a row for each choice");
  MONZA_REQUIRE(x.shape == (Shape{chosen.shape[0], w.shape[2]}) ||
                    x.shape == (Shape{chosen.shape[0], chosen.shape[1], w.shape[2]}),
                "the rows fit neither weights nor choices");
  return nullptr;
}

constexpr OperatorCheck kExpertChecks[] = {{"ExpertMatMul", check_experts}};

}  // namespace

extern const CheckList experts_checks{kExpertChecks};

}  // namespace monza::ops
