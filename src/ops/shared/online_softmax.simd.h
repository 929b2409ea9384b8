// Softmax over blocks of scores that come one after the other (Milakov, Gimelshein: Online normalizer calculation for
// softmax, 2018): a row keeps its largest score and the sum of its exponentials so far. Included by ISA files only.
#pragma once

#include "ops/shared/activation.simd.h"
#include "simd/lanes.h"

namespace monza::ops {
namespace {

/// exp(x - largest) over n scores in place, hidden ones exactly 0; their sum.
MONZA_INLINE float exponentials(float* x, std::int64_t n, float largest) {
  const Vec top = Vec::set(largest);
  Vec sum = Vec::zero();
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) {
    const Vec e = vexp_negative(Vec::load(x + i) - top);
    e.store(x + i);
    sum = sum + e;
  }
  if (i < n) {
    const Vec::Mask m = Vec::mask(n - i);
    const Vec e = select(m, vexp_negative(Vec::load(x + i, m) - top), Vec::zero());
    e.store(x + i, m);
    sum = sum + e;
  }
  return lane_sum(sum);
}

MONZA_INLINE void scale_row(float* x, std::int64_t n, float factor) {
  const Vec f = Vec::set(factor);
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) (Vec::load(x + i) * f).store(x + i);
  if (i < n) {
    const Vec::Mask m = Vec::mask(n - i);
    (Vec::load(x + i, m) * f).store(x + i, m);
  }
}

/// Turns a row's next n scores into exp(score - top) and adds them to its sum; `top` begins as -infinity and `sum` as
/// 0. What was weighted by earlier scores must be multiplied by the result.
MONZA_INLINE float soften(float* row, std::int64_t n, float& top, float& sum) {
  const float lowest = -__builtin_inff();
  const float block_top = row_max(row, n), new_top = block_top > top ? block_top : top;
  if (new_top == lowest) {  // nothing to attend to so far; a NaN, which no order finds, makes the sum NaN
    for (std::int64_t j = 0; j < n; ++j) {
      if (row[j] != row[j]) sum = row[j];
      row[j] = 0;
    }
    return 1.0f;
  }
  const float block_sum = exponentials(row, n, new_top);
  float factor[Vec::kWidth] = {1.0f};
  if (top != lowest) vexp_negative(Vec::set(top - new_top)).store(factor);
  sum = top == lowest ? sum + block_sum : sum * factor[0] + block_sum;
  top = new_top;
  return factor[0];
}

}  // namespace
}  // namespace monza::ops
