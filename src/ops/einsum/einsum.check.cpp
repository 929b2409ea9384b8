// What the kernels of this family rely on: labels within the table, and axes of one label that agree.
#include "kernel/check_rules.h"
#include "ops/einsum/einsum.params.h"

namespace monza::ops {
namespace {

Refusal check_einsum(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = EinsumParams::kMaxOperands})) return r;
  const auto& p = c.params_as<EinsumParams>();
  const TensorView& out = c.out[0];
  MONZA_REQUIRE(p.operands == c.in_count, "the formula has another number of operands");
  MONZA_REQUIRE(p.labels >= 0 && p.labels <= EinsumParams::kMaxLabels && p.out_rank >= 0 && p.out_rank <= p.labels &&
                    out.shape.rank == p.out_rank,
                "the formula has another number of labels");
  MONZA_REQUIRE(plain(out), "the element types do not fit the operator");
  std::int64_t extent[EinsumParams::kMaxLabels];
  for (std::int64_t& e : extent) e = 1;
  for (int i = 0; i < c.in_count; ++i) {
    MONZA_REQUIRE(c.in[i].present() && c.in[i].dtype == out.dtype, "the element types do not fit the operator");
    for (int a = 0; a < c.in[i].shape.rank; ++a) {
      const std::int32_t k = p.label[i][a];
      const std::int64_t e = c.in[i].shape[a];
      MONZA_REQUIRE(k >= 0 && k < p.labels, "a label is not in the table");
      MONZA_REQUIRE(e == 1 || extent[k] == 1 || extent[k] == e, "axes of one label differ");
      if (e != 1) extent[k] = e;
    }
  }
  for (int k = 0; k < p.out_rank; ++k)
    MONZA_REQUIRE(extent[k] == 1 || out.shape[k] == extent[k], "inputs and output do not fit each other");
  std::int64_t terms = 1;
  for (int k = p.out_rank; k < p.labels; ++k)
    MONZA_REQUIRE(!__builtin_mul_overflow(terms, extent[k], &terms), "too many terms are summed");
  return nullptr;
}

constexpr OperatorCheck kEinsumChecks[] = {
    {"Einsum", check_einsum},
};

}  // namespace

extern const CheckList einsum_checks{kEinsumChecks};

}  // namespace monza::ops
