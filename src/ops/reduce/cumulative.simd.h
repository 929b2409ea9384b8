// CumSum of dense f32 and i64 along any axis, in double and in i64.
//
// Along the last axis each sum waits for the one before it, four cycles an element: four rows go side by side. Along
// another axis a row of sums stays in the L1 cache, and the input is read once.
#pragma once

#include <immintrin.h>

#include "kernel/kernel.h"
#include "ops/reduce/reduce.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kSumColumns = 512;  ///< of a task: 4 KiB of sums

template <typename T>
struct SumOf {
  using Type = double;
};
template <>
struct SumOf<std::int64_t> {
  using Type = std::uint64_t;  // wraps
};

/// kRows rows of `extent` elements, `extent` apart.
template <typename T, int kRows>
void sum_rows(const T* x, T* out, std::int64_t extent, const CumulativeParams& p) {
  typename SumOf<T>::Type sum[kRows] = {};
  for (std::int64_t k = 0; k < extent; ++k) {
    const std::int64_t at = p.reverse ? extent - 1 - k : k;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const auto next = sum[r] + static_cast<typename SumOf<T>::Type>(x[r * extent + at]);
      out[r * extent + at] = static_cast<T>(p.exclusive ? sum[r] : next);
      sum[r] = next;
    }
  }
}

/// The next row of sums: n floats added to sums in double. Whole vectors; the rest is the caller's.
MONZA_INLINE std::int64_t add_row(const float* from, float* to, double* sum, std::int64_t n, bool exclusive) {
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const __m256d old = _mm256_loadu_pd(sum + i), next = _mm256_add_pd(old, _mm256_cvtps_pd(_mm_loadu_ps(from + i)));
    _mm_storeu_ps(to + i, _mm256_cvtpd_ps(exclusive ? old : next));
    _mm256_storeu_pd(sum + i, next);
  }
  return i;
}
MONZA_INLINE std::int64_t add_row(const std::int64_t*, std::int64_t*, std::uint64_t*, std::int64_t, bool) { return 0; }

/// Columns [begin, begin + n) of [extent, width].
template <typename T>
void sum_columns(const T* x, T* out, std::int64_t extent, std::int64_t width, std::int64_t begin, std::int64_t n,
                 const CumulativeParams& p) {
  typename SumOf<T>::Type sum[kSumColumns] = {};
  for (std::int64_t k = 0; k < extent; ++k) {
    const std::int64_t at = (p.reverse ? extent - 1 - k : k) * width + begin;
    const T* from = x + at;
    T* to = out + at;
    for (std::int64_t i = add_row(from, to, sum, n, p.exclusive != 0); i < n; ++i) {
      const auto old = sum[i];
      sum[i] += static_cast<typename SumOf<T>::Type>(from[i]);
      to[i] = static_cast<T>(p.exclusive ? old : sum[i]);
    }
  }
}

template <typename T>
Status cumulate(const KernelContext& c, int axis) {
  const auto& p = c.params_as<CumulativeParams>();
  const TensorView& x = c.in[0];
  const T* from = x.as<const T>();
  T* to = c.out[0].as<T>();
  std::int64_t outer = 1, inner = 1;
  const std::int64_t extent = x.shape[axis];
  for (int a = 0; a < axis; ++a) outer *= x.shape[a];
  for (int a = axis + 1; a < x.shape.rank; ++a) inner *= x.shape[a];
  if (outer * inner * extent == 0) return {};
  if (inner == 1) {
    parallel_for(*c.parallel, (outer + 3) / 4, [&](std::int64_t task, int) {
      const std::int64_t r = task * 4;
      if (r + 4 <= outer) return sum_rows<T, 4>(from + r * extent, to + r * extent, extent, p);
      for (std::int64_t i = r; i < outer; ++i) sum_rows<T, 1>(from + i * extent, to + i * extent, extent, p);
    });
    return {};
  }
  const std::int64_t blocks = (inner + kSumColumns - 1) / kSumColumns;
  parallel_for(*c.parallel, outer * blocks, [&](std::int64_t task, int) {
    const std::int64_t at = task / blocks * extent * inner, begin = task % blocks * kSumColumns;
    sum_columns(from + at, to + at, extent, inner, begin, begin + kSumColumns < inner ? kSumColumns : inner - begin, p);
  });
  return {};
}

Status run_cum_sum(const KernelContext& c) noexcept {
  std::int64_t axis = element_access(c.in[1].dtype).load_int(c.in[1].data, 0);
  const int rank = c.in[0].shape.rank;
  if (axis < -rank || axis >= rank)
    return {StatusCode::out_of_range, "CumSum or CumProd: the axis lies outside the rank"};
  if (axis < 0) axis += rank;
  const auto a = static_cast<int>(axis);
  return c.in[0].dtype == DType::f32 ? cumulate<float>(c, a) : cumulate<std::int64_t>(c, a);
}

Refusal accepts_cum_sum(const KernelQuery& q) noexcept {
  const DType type = q.input(0).dtype;
  return type == DType::f32 || type == DType::i64 ? nullptr : "sums f32 and i64";
}

consteval Kernel cum_sum_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "CumSum",
          .needs = needs,
          .accepts = accepts_cum_sum,
          .run = run_cum_sum,
          .in_place_inputs = 1};
}

}  // namespace
}  // namespace monza::ops
