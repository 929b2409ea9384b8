// CumSum of dense f32 and i64 along any axis, in double and in i64.
//
// Along the last axis each sum waits for the one before it, four cycles an element: four rows go side by side. Along
// another axis the sums of a block of columns stay in registers, and the input is read once.
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

constexpr int kSumVectors = 8;                       ///< whose sums stay in registers
constexpr std::int64_t kSumBlock = 4 * kSumVectors;  ///< columns of them

/// The first columns of [extent, width], kSumBlock at a time, sums in registers. Returns how many; the rest is the
/// caller's.
MONZA_INLINE std::int64_t sum_blocks(const float* x, float* out, std::int64_t extent, std::int64_t width,
                                     std::int64_t n, const CumulativeParams& p) {
  const std::int64_t first = p.reverse ? (extent - 1) * width : 0, step = p.reverse ? -width : width;
  std::int64_t column = 0;
  for (; column + kSumBlock <= n; column += kSumBlock) {
    __m256d sum[kSumVectors] = {};
    const float* from = x + first + column;
    float* to = out + first + column;
    for (std::int64_t k = 0; k < extent; ++k, from += step, to += step) {
#pragma GCC unroll 8
      for (int v = 0; v < kSumVectors; ++v) {
        const __m256d old = sum[v];
        sum[v] = _mm256_add_pd(old, _mm256_cvtps_pd(_mm_loadu_ps(from + 4 * v)));
        _mm_storeu_ps(to + 4 * v, _mm256_cvtpd_ps(p.exclusive ? old : sum[v]));
      }
    }
  }
  return column;
}
MONZA_INLINE std::int64_t sum_blocks(const std::int64_t*, std::int64_t*, std::int64_t, std::int64_t, std::int64_t,
                                     const CumulativeParams&) {
  return 0;
}

/// Columns [begin, begin + n) of [extent, width].
template <typename T>
void sum_columns(const T* x, T* out, std::int64_t extent, std::int64_t width, std::int64_t begin, std::int64_t n,
                 const CumulativeParams& p) {
  typename SumOf<T>::Type sum[kSumColumns] = {};
  const std::int64_t done = sum_blocks(x + begin, out + begin, extent, width, n, p);
  if (done == n) return;
  for (std::int64_t k = 0; k < extent; ++k) {
    const std::int64_t at = (p.reverse ? extent - 1 - k : k) * width + begin;
    const T* from = x + at;
    T* to = out + at;
    for (std::int64_t i = done; i < n; ++i) {
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
