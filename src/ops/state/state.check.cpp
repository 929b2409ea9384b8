// What the kernels of this family rely on: f32 queries, and operands that are states; these have no shape here, and are
// checked against the sequences in the run.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

Refusal check_append(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  MONZA_REQUIRE(c.in[1].shape.rank >= 1 && dtype_bits(c.in[1].dtype) >= 8, "the rows have no axis of positions");
  return nullptr;
}

Refusal check_attention(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3})) return r;
  const TensorView &q = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(q.dtype == DType::f32 && out.dtype == DType::f32, "queries and results are not f32");
  MONZA_REQUIRE(q.shape.rank == 3 && out.shape.rank == 3 && q.shape[0] == out.shape[0] && q.shape[1] == out.shape[1],
                "queries and results do not fit each other");
  return nullptr;
}

constexpr OperatorCheck kStateChecks[] = {
    {"StateAppend", check_append, 1u, 1u},
    {"StateAttention", check_attention, 6u, 0u},
};

}  // namespace

extern const CheckList state_checks{kStateChecks};

}  // namespace monza::ops
