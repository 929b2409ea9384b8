// What the kernels of this family rely on: axes within the rank, and an output element for each position on the others.
#include "kernel/check_rules.h"
#include "ops/reduce/reduce.params.h"

namespace monza::ops {
namespace {

/// The shape of `out` is that of `x` without the axes of the mask, or with extents of 1 there.
bool reduced(const Shape& x, std::uint32_t axes, const Shape& out) {
  const bool keeps = out.rank == x.rank;
  int from = 0;
  for (int a = 0; a < x.rank; ++a) {
    const bool gone = (axes >> a & 1u) != 0;
    if (gone && !keeps) continue;
    if (from >= out.rank || out[from] != (gone ? 1 : x[a])) return false;
    ++from;
  }
  return from == out.rank;
}

Refusal check_reduce(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype, "the element types do not fit the operator");
  MONZA_REQUIRE(reduced(x.shape, c.params_as<ReduceParams>().axes, out.shape),
                "input and output do not fit each other");
  return nullptr;
}

Refusal check_arg(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const auto& p = c.params_as<ArgParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == DType::i64, "the element types do not fit the operator");
  MONZA_REQUIRE(is_axis(p.axis, x.shape.rank), "the axis lies outside the rank");
  MONZA_REQUIRE(reduced(x.shape, 1u << p.axis, out.shape), "input and output do not fit each other");
  return nullptr;
}

Refusal check_cumulative(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype && integral(c.in[1]) && one_element(c.in[1]),
                "the element types do not fit the operator");
  MONZA_REQUIRE(x.shape == out.shape, "input and output differ in shape");
  return nullptr;
}

constexpr OperatorCheck kReduceChecks[] = {
    {"ReduceSum", check_reduce},       {"ReduceMean", check_reduce},   {"ReduceMax", check_reduce},
    {"ReduceMin", check_reduce},       {"ReduceProd", check_reduce},   {"ReduceL1", check_reduce},
    {"ReduceL2", check_reduce},        {"ReduceLogSum", check_reduce}, {"ReduceLogSumExp", check_reduce},
    {"ReduceSumSquare", check_reduce}, {"ArgMax", check_arg},          {"ArgMin", check_arg},
    {"CumSum", check_cumulative},      {"CumProd", check_cumulative},
};

}  // namespace

extern const CheckList reduce_checks{kReduceChecks};

}  // namespace monza::ops
