// What the kernels of this family rely on: equal shapes and element widths.
#include "kernel/check_rules.h"

namespace monza::ops {
namespace {

Refusal check_copy(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const TensorView &in = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(in.dtype == out.dtype && in.shape == out.shape, "a copy of another type or shape");
  MONZA_REQUIRE(dtype_bits(in.dtype) >= 8 || (in.dense() && out.dense()), "a part of a tensor of small elements");
  return nullptr;
}

constexpr OperatorCheck kCopyChecks[] = {
    {"Copy", check_copy},
};

}  // namespace

extern const CheckList copy_checks{kCopyChecks};

}  // namespace monza::ops
