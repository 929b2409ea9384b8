// Softmax and LogSoftmax in f32. Three passes over a row that stays in the L1 cache: largest, exponentials and their
// sum, division. About 15 FMAs a vector for e^x make it bound by arithmetic in cache and by memory outside.
#pragma once

#include "kernel/kernel.h"
#include "ops/shared/activation.simd.h"
#include "ops/softmax/softmax.params.h"
#include "simd/lanes.h"

namespace monza::ops {
namespace {

/// log of a sum of exponentials, which is at least 1, or NaN where an element is NaN or the largest one infinite.
MONZA_INLINE Vec vlog_of_sum(Vec sum) { return vlog(sum) + (sum - sum); }

MONZA_INLINE void softmax_row(const float* x, float* y, std::int64_t n, bool logarithm) {
  constexpr int w = Vec::kWidth;
  const Vec largest = Vec::set(row_max(x, n));
  Vec sum = Vec::zero();
  std::int64_t i = 0;
  for (; i + w <= n; i += w) {
    const Vec e = vexp_negative(Vec::load(x + i) - largest);
    if (!logarithm) e.store(y + i);
    sum = sum + e;
  }
  if (i < n) {
    const Vec::Mask m = Vec::mask(n - i);
    const Vec e = select(m, vexp_negative(Vec::load(x + i, m) - largest), Vec::zero());
    if (!logarithm) e.store(y + i, m);
    sum = sum + e;
  }
  const Vec total = Vec::set(lane_sum(sum));
  const Vec factor = logarithm ? largest + vlog_of_sum(total) : Vec::set(1.0f) / total;
  const auto finish = [&](auto... mask) __attribute__((always_inline)) {
    return logarithm ? Vec::load(x + i, mask...) - factor : Vec::load(y + i, mask...) * factor;
  };
  for (i = 0; i + w <= n; i += w) finish().store(y + i);
  if (i < n) {
    const Vec::Mask m = Vec::mask(n - i);
    finish(m).store(y + i, m);
  }
}

/// Columns [0, lanes) of a [n, ...] block whose rows are `step` apart: every column is normalised for itself.
MONZA_INLINE void softmax_columns(const float* x, float* y, std::int64_t n, std::int64_t step, Vec::Mask m,
                                  bool logarithm) {
  Vec largest = Vec::load(x, m), sum = Vec::zero();
  for (std::int64_t k = 1; k < n; ++k) largest = max(largest, Vec::load(x + k * step, m));
  for (std::int64_t k = 0; k < n; ++k) {
    const Vec e = vexp_negative(Vec::load(x + k * step, m) - largest);
    if (!logarithm) e.store(y + k * step, m);
    sum = sum + e;
  }
  if (logarithm) {
    const Vec shift = largest + vlog_of_sum(sum);
    for (std::int64_t k = 0; k < n; ++k) (Vec::load(x + k * step, m) - shift).store(y + k * step, m);
  } else {
    const Vec factor = Vec::set(1.0f) / sum;
    for (std::int64_t k = 0; k < n; ++k) (Vec::load(y + k * step, m) * factor).store(y + k * step, m);
  }
}

constexpr std::int64_t kTaskElements = 8192;

/// Rows shorter than this are turned: a vector holds one element of as many rows as it has lanes.
constexpr std::int64_t kShortRow = 8;

/// `lanes` short rows of n elements, `x_row` and `y_row` apart.
MONZA_INLINE void softmax_short(const float* x, std::int64_t x_row, float* y, std::int64_t y_row, std::int64_t n,
                                std::int64_t lanes, bool logarithm) {
  float turned[kShortRow * Vec::kWidth];
  for (std::int64_t k = 0; k < n; ++k)
    for (std::int64_t r = 0; r < lanes; ++r) turned[k * Vec::kWidth + r] = x[r * x_row + k];
  softmax_columns(turned, turned, n, Vec::kWidth, Vec::mask(lanes), logarithm);
  for (std::int64_t k = 0; k < n; ++k)
    for (std::int64_t r = 0; r < lanes; ++r) y[r * y_row + k] = turned[k * Vec::kWidth + r];
}

/// Rows along a contiguous last axis; outer axes step as they like.
Status run_rows(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SoftmaxParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const int outer = p.axis;
  const std::int64_t n = x.shape.count(p.axis, p.end), rows = x.shape.count(0, outer);
  if (n == 0 || rows == 0) return {};
  const bool logarithm = p.kind == SoftmaxKind::log_softmax;
  const bool short_rows = n < kShortRow && outer > 0 && x.shape[outer - 1] > 1;
  const std::int64_t each = kTaskElements / n < 1 ? 1 : kTaskElements / n;
  parallel_for(*c.parallel, (rows + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < rows ? (task + 1) * each : rows;
    for (std::int64_t r = task * each; r < end;) {
      std::int64_t rest = r, i = 0, o = 0;
      for (int a = outer - 1; a >= 0; --a) {
        const std::int64_t k = rest % x.shape[a];
        rest /= x.shape[a];
        i += k * x.stride[a];
        o += k * y.stride[a];
      }
      const std::int64_t along = short_rows ? x.shape[outer - 1] - r % x.shape[outer - 1] : 1;
      std::int64_t lanes = along < Vec::kWidth ? along : Vec::kWidth;
      if (end - r < lanes) lanes = end - r;
      if (short_rows)
        softmax_short(x.as<float>() + i, x.stride[outer - 1], y.as<float>() + o, y.stride[outer - 1], n, lanes,
                      logarithm);
      else softmax_row(x.as<float>() + i, y.as<float>() + o, n, logarithm);
      r += lanes;
    }
  });
  return {};
}

/// Dense operands seen as [outer, n, inner].
Status run_dense(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SoftmaxParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t n = x.shape.count(p.axis, p.end), inner = x.shape.count(p.end, x.shape.rank),
                     outer = x.shape.count(0, p.axis);
  if (n == 0 || inner == 0 || outer == 0) return {};
  if (inner == 1) return run_rows(c);
  const bool logarithm = p.kind == SoftmaxKind::log_softmax;
  const std::int64_t blocks = (inner + Vec::kWidth - 1) / Vec::kWidth, work = n * Vec::kWidth;
  const std::int64_t each = kTaskElements / work < 1 ? 1 : kTaskElements / work;
  parallel_for(*c.parallel, (outer * blocks + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < outer * blocks ? (task + 1) * each : outer * blocks;
    for (std::int64_t b = task * each; b < end; ++b) {
      const std::int64_t column = b % blocks * Vec::kWidth, at = b / blocks * n * inner + column;
      const std::int64_t lanes = inner - column < Vec::kWidth ? inner - column : Vec::kWidth;
      softmax_columns(x.as<float>() + at, y.as<float>() + at, n, inner, Vec::mask(lanes), logarithm);
    }
  });
  return {};
}

Refusal accepts_dense(const KernelQuery& q) noexcept {
  return q.input(0).dtype == DType::f32 ? nullptr : "the input is not f32";
}
Refusal accepts_rows(const KernelQuery& q) noexcept {
  if (q.input(0).dtype != DType::f32) return "the input is not f32";
  const auto& p = *static_cast<const SoftmaxParams*>(q.params);
  return p.axis + 1 == q.input(0).shape.rank ? nullptr : "the axis is not the last one";
}

/// Along rows that are contiguous, of views too.
consteval Kernel softmax_rows_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::rows},
          .out{Port::rows},
          .accepts = accepts_rows,
          .run = run_rows,
          .in_place_inputs = 1};
}
/// Along any axis of dense operands.
consteval Kernel softmax_dense_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::dense},
          .out{Port::dense},
          .accepts = accepts_dense,
          .run = run_dense,
          .in_place_inputs = 1};
}

}  // namespace
}  // namespace monza::ops
