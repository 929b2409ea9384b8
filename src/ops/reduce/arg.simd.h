// ArgMax and ArgMin of dense f32 along any axis: a value and its index for every lane.
//
// Bound by reading the input once: an axis that is not the last keeps a row of values and indices in the L1 cache while
// the input streams through; along the last axis lanes keep theirs and are joined at the end.
#pragma once

#include <immintrin.h>

#include "kernel/kernel.h"
#include "ops/reduce/reduce.params.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kArgColumns = 1024;  ///< of a task: values and indices are 8 KiB

struct Best {
  __m256 value;
  __m256i index;
};

/// The better of two, `v` being the later one: by value, NaN above all; of equals the first, or the last.
template <bool kLargest, bool kLast>
MONZA_INLINE Best better(Best best, __m256 v, __m256i index) {
  const __m256 nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
  constexpr int kOrder = kLargest ? (kLast ? _CMP_GE_OQ : _CMP_GT_OQ) : (kLast ? _CMP_LE_OQ : _CMP_LT_OQ);
  __m256 take = _mm256_cmp_ps(v, best.value, kOrder);
  if constexpr (kLast) take = _mm256_or_ps(take, nan);
  else take = _mm256_or_ps(take, _mm256_andnot_ps(_mm256_cmp_ps(best.value, best.value, _CMP_UNORD_Q), nan));
  return {_mm256_blendv_ps(best.value, v, take),
          _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(best.index), _mm256_castsi256_ps(index), take))};
}
template <bool kLargest, bool kLast>
MONZA_INLINE bool is_better(float v, float best) {
  if (v != v) return best == best || kLast;
  if (best != best) return false;
  if (kLast && v == best) return true;
  return kLargest ? v > best : v < best;
}

/// Indices of columns [begin, end) of x [extent, width].
template <bool kLargest, bool kLast>
void arg_columns(const float* x, std::int64_t extent, std::int64_t width, std::int64_t begin, std::int64_t end,
                 std::int64_t* out) {
  alignas(32) float value[kArgColumns];
  alignas(32) std::int32_t index[kArgColumns] = {};
  const std::int64_t n = end - begin;
  __builtin_memcpy(value, x + begin, static_cast<std::size_t>(n) * sizeof(float));
  for (std::int64_t e = 1; e < extent; ++e) {
    const float* row = x + e * width + begin;
    const __m256i at = _mm256_set1_epi32(static_cast<int>(e));
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      auto* indices = reinterpret_cast<__m256i*>(index + i);
      const Best b = better<kLargest, kLast>({_mm256_load_ps(value + i), _mm256_load_si256(indices)},
                                             _mm256_loadu_ps(row + i), at);
      _mm256_store_ps(value + i, b.value);
      _mm256_store_si256(indices, b.index);
    }
    for (; i < n; ++i)
      if (is_better<kLargest, kLast>(row[i], value[i])) {
        value[i] = row[i];
        index[i] = static_cast<std::int32_t>(e);
      }
  }
  for (std::int64_t i = 0; i < n; ++i) out[begin + i] = index[i];
}

template <bool kLargest, bool kLast>
std::int64_t arg_row(const float* x, std::int64_t extent) {
  float value = x[0];
  std::int64_t index = 0, e = 1;
  if (extent >= 16) {
    const __m256i first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    Best best{_mm256_loadu_ps(x), first};
    for (e = 8; e + 8 <= extent; e += 8)
      best = better<kLargest, kLast>(best, _mm256_loadu_ps(x + e),
                                     _mm256_add_epi32(first, _mm256_set1_epi32(static_cast<int>(e))));
    alignas(32) float values[8];
    alignas(32) std::int32_t indices[8];
    _mm256_store_ps(values, best.value);
    _mm256_store_si256(reinterpret_cast<__m256i*>(indices), best.index);
    value = values[0];
    index = indices[0];
    for (int k = 1; k < 8; ++k) {
      const bool equal = values[k] == value || (values[k] != values[k] && value != value);
      const bool nearer = kLast ? indices[k] > index : indices[k] < index;
      if (equal ? nearer : is_better<kLargest, kLast>(values[k], value)) {
        value = values[k];
        index = indices[k];
      }
    }
  }
  for (; e < extent; ++e)
    if (is_better<kLargest, kLast>(x[e], value)) {
      value = x[e];
      index = e;
    }
  return index;
}

template <bool kLargest, bool kLast>
Status arg_of(const KernelContext& c) {
  const auto& p = c.params_as<ArgParams>();
  const TensorView& x = c.in[0];
  auto* out = c.out[0].as<std::int64_t>();
  std::int64_t outer = 1, inner = 1;
  const std::int64_t extent = x.shape[p.axis];
  for (int a = 0; a < p.axis; ++a) outer *= x.shape[a];
  for (int a = p.axis + 1; a < x.shape.rank; ++a) inner *= x.shape[a];
  if (outer * inner == 0) return {};
  if (extent == 0) return {StatusCode::invalid_argument, "ArgMax or ArgMin along an axis without elements"};
  const auto* values = x.as<const float>();
  if (inner == 1) {
    const std::int64_t grain = extent < 16384 ? 16384 / extent : 1;
    parallel_for(*c.parallel, (outer + grain - 1) / grain, [&](std::int64_t task, int) {
      const std::int64_t end = (task + 1) * grain < outer ? (task + 1) * grain : outer;
      for (std::int64_t r = task * grain; r < end; ++r) out[r] = arg_row<kLargest, kLast>(values + r * extent, extent);
    });
    return {};
  }
  const std::int64_t blocks = (inner + kArgColumns - 1) / kArgColumns;
  parallel_for(*c.parallel, outer * blocks, [&](std::int64_t task, int) {
    const std::int64_t o = task / blocks, begin = task % blocks * kArgColumns;
    const std::int64_t end = begin + kArgColumns < inner ? begin + kArgColumns : inner;
    arg_columns<kLargest, kLast>(values + o * extent * inner, extent, inner, begin, end, out + o * inner);
  });
  return {};
}

Status run_arg(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ArgParams>();
  if (p.largest) return p.last ? arg_of<true, true>(c) : arg_of<true, false>(c);
  return p.last ? arg_of<false, true>(c) : arg_of<false, false>(c);
}

Refusal accepts_arg(const KernelQuery& q) noexcept {
  if (q.input(0).dtype != DType::f32) return "an operand is not f32";
  const std::int64_t extent = q.input(0).shape[static_cast<const ArgParams*>(q.params)->axis];
  return extent > std::int64_t{1} << 30 ? "an axis whose indices do not fit 32 bits" : nullptr;
}

consteval Kernel arg_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name, .op = op, .needs = needs, .accepts = accepts_arg, .run = run_arg};
}

}  // namespace
}  // namespace monza::ops
