// Reductions in f32 over dense operands: along rows when the last axis is reduced, along columns when it is kept.
// Bound by reading the input once, but for LogSumExp, which reads it twice and takes an exponential an element.
#pragma once

#include "kernel/kernel.h"
#include "ops/reduce/reduce.params.h"
#include "ops/shared/activation.simd.h"
#include "simd/lanes.h"

extern "C" float logf(float) noexcept;

namespace monza::ops {
namespace {

MONZA_INLINE float lane_product(Vec a) {
  float lanes[Vec::kWidth], product = 1;
  a.store(lanes);
  for (const float lane : lanes) product *= lane;
  return product;
}

template <ReduceKind kKind>
struct Fold {
  static constexpr bool kMax = kKind == ReduceKind::max, kMin = kKind == ReduceKind::min;
  static constexpr bool kProduct = kKind == ReduceKind::prod;
  static MONZA_INLINE float start() {
    return kMax ? -__builtin_inff() : kMin ? __builtin_inff() : kProduct ? 1.0f : 0.0f;
  }
  static MONZA_INLINE Vec step(Vec a, Vec x) {
    if constexpr (kMax || kMin) return join(a, x);
    else if constexpr (kKind == ReduceKind::l1) return a + abs(x);
    else if constexpr (kKind == ReduceKind::l2 || kKind == ReduceKind::sum_square) return fma(x, x, a);
    else if constexpr (kProduct) return a * x;
    else return a + x;
  }
  static MONZA_INLINE Vec join(Vec a, Vec b) {
    // max and min give their second operand where either is NaN: a NaN in the first is kept by hand.
    if constexpr (kMax) return keep_nan(a, max(a, b));
    else if constexpr (kMin) return keep_nan(a, min(a, b));
    else if constexpr (kProduct) return a * b;
    else return a + b;
  }
  static MONZA_INLINE float lanes(Vec a) {
    if ((kMax || kMin) && any_nan(a)) return __builtin_nanf("");
    if constexpr (kMax) return lane_max(a);
    else if constexpr (kMin) return lane_min(a);
    else if constexpr (kProduct) return lane_product(a);
    else return lane_sum(a);
  }
  static MONZA_INLINE float finish(float v, float count) {
    if constexpr (kKind == ReduceKind::mean) return v / count;
    else if constexpr (kKind == ReduceKind::l2) return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(v)));
    else if constexpr (kKind == ReduceKind::log_sum) return logf(v);
    else return v;
  }
};

/// A dense shape as alternating groups of kept and reduced axes, neighbours merged.
struct Groups {
  int kept = 0, reduced = 0;
  std::int64_t kept_extent[kMaxRank], kept_stride[kMaxRank], reduced_extent[kMaxRank], reduced_stride[kMaxRank];
  bool last_reduced = false;

  MONZA_INLINE Groups(const Shape& shape, std::uint32_t axes) {
    std::int64_t stride = 1;
    int previous = -1;
    for (int a = shape.rank - 1; a >= 0; --a) {
      if (shape[a] == 1) continue;
      const bool r = axes >> a & 1;
      int& count = r ? reduced : kept;
      std::int64_t* extent = r ? reduced_extent : kept_extent;
      std::int64_t* step = r ? reduced_stride : kept_stride;
      if (previous == static_cast<int>(r)) {
        extent[count - 1] *= shape[a];
      } else {
        extent[count] = shape[a];
        step[count++] = stride;
      }
      if (previous < 0) last_reduced = r;
      previous = r;
      stride *= shape[a];
    }
  }  // innermost group first
};

/// Calls f(offset) for every index of groups [first, count).
template <typename F>
MONZA_INLINE void each_offset(const std::int64_t* extent, const std::int64_t* stride, int first, int count, F&& f) {
  std::int64_t total = 1;
  for (int g = first; g < count; ++g) total *= extent[g];
  for (std::int64_t e = 0; e < total; ++e) {
    std::int64_t rest = e, offset = 0;
    for (int g = first; g < count; ++g) {
      offset += rest % extent[g] * stride[g];
      rest /= extent[g];
    }
    f(offset);
  }
}

MONZA_INLINE std::int64_t offset_of(std::int64_t index, const std::int64_t* extent, const std::int64_t* stride,
                                    int first, int count) {
  std::int64_t offset = 0;
  for (int g = first; g < count; ++g) {
    offset += index % extent[g] * stride[g];
    index /= extent[g];
  }
  return offset;
}

template <ReduceKind kKind>
__attribute__((noinline)) Status reduce_of(const KernelContext& c) {
  using F = Fold<kKind>;
  const auto& p = c.params_as<ReduceParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t outputs = y.shape.numel();
  if (outputs == 0) return {};
  std::int64_t elements = 1;
  for (int a = 0; a < x.shape.rank; ++a)
    if (p.axes >> a & 1) elements *= x.shape[a];
  const float count = static_cast<float>(elements);
  float* to = y.as<float>();
  if (elements == 0) {
    for (std::int64_t i = 0; i < outputs; ++i) to[i] = F::finish(F::start(), count);
    return {};
  }
  const Groups g(x.shape, p.axes);
  const float* from = x.as<float>();
  constexpr std::int64_t kTask = 16384;
  if (g.last_reduced) {
    const std::int64_t run = g.reduced_extent[0], each = kTask / elements < 1 ? 1 : kTask / elements;
    parallel_for(*c.parallel, (outputs + each - 1) / each, [&](std::int64_t task, int) {
      const std::int64_t end = (task + 1) * each < outputs ? (task + 1) * each : outputs;
      for (std::int64_t o = task * each; o < end; ++o) {
        const float* base = from + offset_of(o, g.kept_extent, g.kept_stride, 0, g.kept);
        Vec total = Vec::set(F::start());
        each_offset(
            g.reduced_extent, g.reduced_stride, 1, g.reduced, [&](std::int64_t offset) __attribute__((always_inline)) {
              // Missing lanes of the last vector read as the start: neutral for every fold.
              total = F::join(
                  total, fold_row(base + offset, run, Vec::set(F::start()), Vec::set(F::start()), F::step, F::join));
            });
        to[o] = F::finish(F::lanes(total), count);
      }
    });
    return {};
  }
  // Columns: the innermost kept group is contiguous in input and output.
  const std::int64_t columns = g.kept == 0 ? 1 : g.kept_extent[0], outer = outputs / columns;
  const std::int64_t blocks = (columns + Vec::kWidth - 1) / Vec::kWidth;
  const std::int64_t work = elements * Vec::kWidth, each = kTask / work < 1 ? 1 : kTask / work;
  parallel_for(*c.parallel, (outer * blocks + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < outer * blocks ? (task + 1) * each : outer * blocks;
    for (std::int64_t b = task * each; b < end; ++b) {
      const std::int64_t column = b % blocks * Vec::kWidth;
      const Vec::Mask m = Vec::mask(columns - column < Vec::kWidth ? columns - column : Vec::kWidth);
      const float* base = from + offset_of(b / blocks, g.kept_extent, g.kept_stride, 1, g.kept) + column;
      Vec total = Vec::set(F::start());
      each_offset(g.reduced_extent, g.reduced_stride, 1, g.reduced,
                  [&](std::int64_t offset) __attribute__((always_inline)) {
                    const float* p0 = base + offset;
                    const std::int64_t rows = g.reduced == 0 ? 1 : g.reduced_extent[0],
                                       step = g.reduced == 0 ? 0 : g.reduced_stride[0];
                    for (std::int64_t r = 0; r < rows; ++r) total = F::step(total, Vec::load(p0 + r * step, m));
                  });
      float lanes[Vec::kWidth];
      total.store(lanes);
      const std::int64_t n = columns - column < Vec::kWidth ? columns - column : Vec::kWidth;
      for (std::int64_t i = 0; i < n; ++i) to[b / blocks * columns + column + i] = F::finish(lanes[i], count);
    }
  });
  return {};
}

/// What log(sum(exp(x))) of elements whose largest is `most` and whose sum of exp(x - most) is `sum` comes to.
MONZA_INLINE float log_sum_exp(float most, float sum) {
  const bool finite = most - most == 0;  // an infinity is the answer itself, as NaN is
  return finite ? most + logf(sum) : most;
}

/// Two passes: the largest element, then the sum of the exponentials of what the others lie below it.
Status run_log_sum_exp(const KernelContext& c) noexcept {
  using Max = Fold<ReduceKind::max>;
  const auto& p = c.params_as<ReduceParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t outputs = y.shape.numel();
  std::int64_t elements = 1;
  for (int a = 0; a < x.shape.rank; ++a)
    if (p.axes >> a & 1) elements *= x.shape[a];
  float* to = y.as<float>();
  const Vec low = Vec::set(-__builtin_inff());
  if (elements == 0)
    for (std::int64_t i = 0; i < outputs; ++i) to[i] = -__builtin_inff();
  if (outputs == 0 || elements == 0) return {};
  const Groups g(x.shape, p.axes);
  const float* from = x.as<float>();
  constexpr std::int64_t kTask = 4096;  // an exponential takes as long as some loads
  const auto add = [](Vec a, Vec b) __attribute__((always_inline)) { return a + b; };
  if (g.last_reduced) {
    const std::int64_t run = g.reduced_extent[0], each = kTask / elements < 1 ? 1 : kTask / elements;
    parallel_for(*c.parallel, (outputs + each - 1) / each, [&](std::int64_t task, int) {
      const std::int64_t end = (task + 1) * each < outputs ? (task + 1) * each : outputs;
      for (std::int64_t o = task * each; o < end; ++o) {
        const float* base = from + offset_of(o, g.kept_extent, g.kept_stride, 0, g.kept);
        const auto rows = [&](auto&& f) __attribute__((always_inline)) {
          each_offset(g.reduced_extent, g.reduced_stride, 1, g.reduced, f);
        };
        Vec most = low, sum = Vec::zero();
        rows([&](std::int64_t at) __attribute__((always_inline)) {
          most = Max::join(most, fold_row(base + at, run, low, low, Max::step, Max::join));
        });
        const float top = Max::lanes(most);
        rows([&](std::int64_t at) __attribute__((always_inline)) {
          const auto grow = [&](Vec a, Vec v) __attribute__((always_inline)) { return a + vexp(v - Vec::set(top)); };
          sum = sum + fold_row(base + at, run, Vec::zero(), low, grow, add);
        });
        to[o] = log_sum_exp(top, lane_sum(sum));
      }
    });
    return {};
  }
  const std::int64_t columns = g.kept == 0 ? 1 : g.kept_extent[0], outer = outputs / columns;
  const std::int64_t blocks = (columns + Vec::kWidth - 1) / Vec::kWidth;
  const std::int64_t work = elements * Vec::kWidth, each = kTask / work < 1 ? 1 : kTask / work;
  parallel_for(*c.parallel, (outer * blocks + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < outer * blocks ? (task + 1) * each : outer * blocks;
    for (std::int64_t b = task * each; b < end; ++b) {
      const std::int64_t column = b % blocks * Vec::kWidth;
      const std::int64_t n = columns - column < Vec::kWidth ? columns - column : Vec::kWidth;
      const Vec::Mask m = Vec::mask(n);
      const float* base = from + offset_of(b / blocks, g.kept_extent, g.kept_stride, 1, g.kept) + column;
      const auto rows = [&](auto&& f) __attribute__((always_inline)) {
        each_offset(g.reduced_extent, g.reduced_stride, 1, g.reduced,
                    [&](std::int64_t offset) __attribute__((always_inline)) {
                      const std::int64_t count = g.reduced == 0 ? 1 : g.reduced_extent[0],
                                         step = g.reduced == 0 ? 0 : g.reduced_stride[0];
                      for (std::int64_t r = 0; r < count; ++r) f(Vec::load(base + offset + r * step, m));
                    });
      };
      Vec most = low, sum = Vec::zero();
      rows([&](Vec v) __attribute__((always_inline)) { most = Max::step(most, v); });
      rows([&](Vec v) __attribute__((always_inline)) { sum = sum + vexp(v - most); });
      float tops[Vec::kWidth], sums[Vec::kWidth];
      most.store(tops);
      sum.store(sums);
      for (std::int64_t i = 0; i < n; ++i) to[b / blocks * columns + column + i] = log_sum_exp(tops[i], sums[i]);
    }
  });
  return {};
}

Status run_reduce(const KernelContext& c) noexcept {
#define MONZA_CASE(kind) \
  case ReduceKind::kind: return reduce_of<ReduceKind::kind>(c);
  switch (c.params_as<ReduceParams>().kind) {
    MONZA_CASE(sum)
    MONZA_CASE(mean)
    MONZA_CASE(max)
    MONZA_CASE(min)
    MONZA_CASE(l1)
    MONZA_CASE(l2)
    MONZA_CASE(sum_square)
    MONZA_CASE(prod)
    MONZA_CASE(log_sum)
    default: return {StatusCode::internal, "reduce: no vector form of this reduction"};
  }
#undef MONZA_CASE
}

Refusal accepts_reduce(const KernelQuery& q) noexcept {
  return q.input(0).dtype == DType::f32 ? nullptr : "the input is not f32";
}

consteval Kernel reduce_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::dense},
          .out{Port::dense},
          .accepts = accepts_reduce,
          .run = run_reduce};
}
consteval Kernel log_sum_exp_kernel(const char* name, Isa needs) {
  Kernel k = reduce_kernel(name, "ReduceLogSumExp", needs);
  k.run = run_log_sum_exp;
  return k;
}

}  // namespace
}  // namespace monza::ops
