// Finishing sums: activations that are bounds belong into a kernel's registers; the others are applied to rows that
// were stored a moment ago and lie in L1.
#pragma once

#include "ops/matmul/gemm_table.simd.h"
#include "ops/shared/activation.simd.h"

namespace monza::ops {
namespace {

/// none, relu and clip: min(high, max(low, x)).
MONZA_INLINE bool is_clamp(ActivationKind kind) {
  return kind == ActivationKind::none || kind == ActivationKind::relu || kind == ActivationKind::clip;
}
MONZA_INLINE float clamp_low(const Activation& act) {
  return act.kind == ActivationKind::relu ? 0.0f : act.kind == ActivationKind::clip ? act.alpha : -__builtin_inff();
}
MONZA_INLINE float clamp_high(const Activation& act) {
  return act.kind == ActivationKind::clip ? act.beta : __builtin_inff();
}

/// Activations other than bounds, and a residual after them, on rows [row0, row0 + rows) and columns [n0, n1); c points
/// to the first of them.
[[maybe_unused]] void finish_rows(const GemmOut& o, float* c, std::int64_t rows, std::int64_t row0, std::int64_t n0,
                                  std::int64_t n1) {
  const bool after = o.residual != nullptr && o.residual_after;
  with_activation(o.act, [&](auto act) __attribute__((always_inline)) {
    for (std::int64_t i = 0; i < rows; ++i) {
      float* row = c + i * o.ldc;
      const float* residual = after ? o.residual + (row0 + i) * o.ldr + n0 : nullptr;
      const auto vector = [&](std::int64_t n, auto... mask) __attribute__((always_inline)) {
        Vec slope = Vec::zero();
        if (o.slope != nullptr) slope = o.slope_stride == 0 ? Vec::set(*o.slope) : Vec::load(o.slope + n0 + n, mask...);
        Vec y = act(Vec::load(row + n, mask...), slope);
        if (residual != nullptr) y = y + Vec::load(residual + n, mask...);
        y.store(row + n, mask...);
      };
      std::int64_t n = 0;
      for (; n + Vec::kWidth <= n1 - n0; n += Vec::kWidth) vector(n);
      if (n < n1 - n0) vector(n, Vec::mask(n1 - n0 - n));
    }
  });
}

}  // namespace
}  // namespace monza::ops
