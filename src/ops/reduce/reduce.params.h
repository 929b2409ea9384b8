// Reductions and running sums: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// Numbers are part of the engine file: append, never renumber.
enum class ReduceKind : std::int32_t {
  sum = 0,
  mean = 1,
  max = 2,
  min = 3,
  prod = 4,
  l1 = 5,  ///< sum of |x|
  l2 = 6,  ///< sqrt of the sum of squares
  log_sum = 7,
  log_sum_exp = 8,  ///< largest + log(sum of exp(x - largest))
  sum_square = 9,
};

/// out = reduction of x over the axes whose bits are set; none set: every element alone.
struct ReduceParams {
  ReduceKind kind = ReduceKind::sum;
  std::uint32_t axes = 0;
};

/// out (i64) = index of the largest or smallest element along an axis.
struct ArgParams {
  std::int32_t axis = 0;
  std::int32_t largest = 1;
  std::int32_t last = 0;  ///< of equal elements, the last instead of the first
};

/// out[i] = sum or product of x[0..i] along the axis that input 1 holds.
struct CumulativeParams {
  std::int32_t product = 0;
  std::int32_t exclusive = 0;  ///< without element i itself
  std::int32_t reverse = 0;    ///< from the end
};

}  // namespace monza
