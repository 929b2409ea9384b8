// Normalisations in f32. Rows of LayerNormalization lie in the L1 cache after the first of three passes (mean,
// variance, result), so the ceiling is one read and one write of memory an element.
#pragma once

#include "kernel/kernel.h"
#include "ops/norm/norm.params.h"
#include "ops/shared/activation.simd.h"
#include "simd/lanes.h"
#include "simd/walk.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kTaskFloats = 16384;

MONZA_INLINE Vec root(Vec a) {
#if defined(__AVX512F__)
  return {_mm512_sqrt_ps(a.v)};
#else
  return {_mm256_sqrt_ps(a.v)};
#endif
}
MONZA_INLINE float root(float a) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a))); }

/// y = (x - mean) * inverse * scale + bias; scale and bias may be null.
MONZA_INLINE void normalise_row(const float* x, float* y, std::int64_t n, float mean, float inverse, const float* scale,
                                const float* bias) {
  const Vec m = Vec::set(mean), f = Vec::set(inverse);
  std::int64_t i = 0;
  const auto at = [&](auto... mask) __attribute__((always_inline)) {
    Vec v = (Vec::load(x + i, mask...) - m) * f;
    if (scale != nullptr && bias != nullptr) return fma(v, Vec::load(scale + i, mask...), Vec::load(bias + i, mask...));
    if (scale != nullptr) v = v * Vec::load(scale + i, mask...);
    if (bias != nullptr) v = v + Vec::load(bias + i, mask...);
    return v;
  };
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) at().store(y + i);
  if (i < n) {
    const Vec::Mask mask = Vec::mask(n - i);
    at(mask).store(y + i, mask);
  }
}

Status run_layer_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LayerNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t rows = x.shape.count(0, p.axis), n = x.shape.count(p.axis, x.shape.rank);
  if (rows == 0 || n == 0) return {};
  const float* scale = c.has_input(1) ? c.in[1].as<float>() : nullptr;
  const float* bias = c.has_input(2) ? c.in[2].as<float>() : nullptr;
  const auto count = static_cast<float>(n);
  const std::int64_t each = kTaskFloats / n < 1 ? 1 : kTaskFloats / n;
  parallel_for(*c.parallel, (rows + each - 1) / each, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * each < rows ? (task + 1) * each : rows;
    for (std::int64_t r = task * each; r < end; ++r) {
      const float* from = x.as<float>() + r * n;
      const float mean = p.rms ? 0 : row_sum(from, n) / count;
      const float variance = row_squares(from, n, mean) / count;
      normalise_row(from, y.as<float>() + r * n, n, mean, 1 / root(variance + p.epsilon), scale, bias);
    }
  });
  return {};
}

Status run_group_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<GroupNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channels = x.shape[1], groups = p.groups == 0 ? channels : p.groups;
  const std::int64_t inner = x.shape.count(2, x.shape.rank);
  if (x.shape.numel() == 0) return {};
  const std::int64_t per_group = channels / groups, n = per_group * inner;
  parallel_for(*c.parallel, x.shape[0] * groups, [&](std::int64_t task, int) {
    const float* from = x.as<float>() + task * n;
    const float mean = row_sum(from, n) / static_cast<float>(n);
    const float inverse = 1 / root(row_squares(from, n, mean) / static_cast<float>(n) + p.epsilon);
    for (std::int64_t k = 0; k < per_group; ++k) {
      const std::int64_t channel = task % groups * per_group + k;
      const float scale = c.in[1].as<float>()[channel] * inverse, shift = c.in[2].as<float>()[channel];
      // (x - mean) * scale + shift, as the row form without vectors of its own.
      const Vec s = Vec::set(scale), m = Vec::set(mean), b = Vec::set(shift);
      const float* in = from + k * inner;
      float* out = y.as<float>() + task * n + k * inner;
      std::int64_t i = 0;
      for (; i + Vec::kWidth <= inner; i += Vec::kWidth) fma(Vec::load(in + i) - m, s, b).store(out + i);
      if (i < inner) {
        const Vec::Mask mask = Vec::mask(inner - i);
        fma(Vec::load(in + i, mask) - m, s, b).store(out + i, mask);
      }
    }
  });
  return {};
}

std::size_t batch_norm_scratch(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.input(0).shape[1]) * 2 * sizeof(float);
}

/// x * factor[channel] + shift[channel], over any strides.
Status run_batch_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<BatchNormParams>();
  const TensorView& x = c.in[0];
  const std::int64_t channels = x.shape[1];
  float* factor = reinterpret_cast<float*>(c.scratch);
  float* shift = factor + channels;
  for (std::int64_t i = 0; i < channels; ++i) {
    factor[i] = c.in[1].as<float>()[i] / root(c.in[4].as<float>()[i] + p.epsilon);
    shift[i] = c.in[2].as<float>()[i] - c.in[3].as<float>()[i] * factor[i];
  }
  TensorView per_channel[2];
  for (int k = 0; k < 2; ++k) {
    TensorView& v = per_channel[k];
    v.data = k == 0 ? factor : shift;
    v.dtype = DType::f32;
    v.shape.rank = x.shape.rank - 1;
    for (int a = 0; a < v.shape.rank; ++a) v.shape[a] = a == 0 ? channels : 1;
    v.stride[0] = 1;
  }
  const TensorView* in[] = {&x, &per_channel[0], &per_channel[1]};
  pointwise<3>(*c.parallel, c.out[0], in,
               [](Vec v, Vec f, Vec s) __attribute__((always_inline)) { return fma(v, f, s); });
  return {};
}

/// v / (bias + factor * squares)^beta; the common 3/4 by square roots.
struct LrnScale {
  Vec bias, factor, beta;
  bool three_quarters;
  MONZA_INLINE Vec operator()(Vec v, Vec squares) const {
    const Vec t = fma(squares, factor, bias);
    if (three_quarters) {
      const Vec r = root(t);
      return v / (r * root(r));
    }
    return v * vexp(Vec::zero() - beta * vlog_any(t));
  }
};
MONZA_INLINE LrnScale lrn_scale(const LrnParams& p) {
  return {Vec::set(p.bias), Vec::set(p.alpha / static_cast<float>(p.size)), Vec::set(p.beta), p.beta == 0.75f};
}

/// Dense [N, C, pixels]: a vector of pixels at a time, the window's sum of squares slides over the channels.
Status run_lrn_dense(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LrnParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channels = x.shape[1], inner = x.shape.count(2, x.shape.rank), before = (p.size - 1) / 2,
                     after = p.size / 2;
  const std::int64_t blocks = (inner + Vec::kWidth - 1) / Vec::kWidth;
  parallel_for(*c.parallel, x.shape[0] * blocks, [&](std::int64_t task, int) {
    const LrnScale scale = lrn_scale(p);
    const std::int64_t column = task % blocks * Vec::kWidth, base = task / blocks * channels * inner + column;
    const Vec::Mask m = Vec::mask(inner - column < Vec::kWidth ? inner - column : Vec::kWidth);
    const float* from = x.as<float>() + base;
    float* to = y.as<float>() + base;
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      Vec squares = Vec::zero();  // summed anew: a running difference would lose digits
      for (std::int64_t k = ch - before < 0 ? 0 : ch - before; k <= ch + after && k < channels; ++k) {
        const Vec v = Vec::load(from + k * inner, m);
        squares = fma(v, v, squares);
      }
      scale(Vec::load(from + ch * inner, m), squares).store(to + ch * inner, m);
    }
  });
  return {};
}

std::size_t lrn_row_floats(const LrnParams& p, std::int64_t channels) {
  return static_cast<std::size_t>((channels + p.size + 2 * Vec::kWidth + 15) / 16 * 16);
}
std::size_t lrn_scratch(const KernelQuery& q) noexcept {
  return lrn_row_floats(*static_cast<const LrnParams*>(q.params), q.input(0).shape[1]) * sizeof(float) *
         static_cast<std::size_t>(q.threads);
}

/// Channel-last pixels: a pixel's squares go to a row with zeros around it, windows are sums of shifted loads.
Status run_lrn_pixels(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LrnParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channels = x.shape[1], before = (p.size - 1) / 2, rank = x.shape.rank;
  const std::int64_t pixels = x.shape[0] * x.shape.count(2, x.shape.rank);
  const std::size_t floats = lrn_row_floats(p, channels);
  const std::int64_t each = kTaskFloats / (channels + 1) < 1 ? 1 : kTaskFloats / (channels + 1);
  parallel_for(*c.parallel, (pixels + each - 1) / each, [&](std::int64_t task, int worker) {
    const LrnScale scale = lrn_scale(p);
    float* row = reinterpret_cast<float*>(c.scratch) + static_cast<std::size_t>(worker) * floats;
    for (std::size_t i = 0; i < floats; ++i) row[i] = 0;
    const std::int64_t end = (task + 1) * each < pixels ? (task + 1) * each : pixels;
    for (std::int64_t pixel = task * each; pixel < end; ++pixel) {
      std::int64_t rest = pixel, i = 0, o = 0;
      for (std::int64_t a = rank - 1; a >= 0; --a) {
        if (a == 1) continue;
        const std::int64_t k = rest % x.shape[static_cast<int>(a)];
        rest /= x.shape[static_cast<int>(a)];
        i += k * x.stride[a];
        o += k * y.stride[a];
      }
      const float* from = x.as<float>() + i;
      float* to = y.as<float>() + o;
      const auto vectors = [&](auto&& f) __attribute__((always_inline)) {
        for (std::int64_t ch = 0; ch < channels; ch += Vec::kWidth)
          f(ch, Vec::mask(channels - ch < Vec::kWidth ? channels - ch : Vec::kWidth));
      };
      vectors([&](std::int64_t ch, Vec::Mask m) __attribute__((always_inline)) {
        const Vec v = Vec::load(from + ch, m);
        (v * v).store(row + before + ch, m);
      });
      vectors([&](std::int64_t ch, Vec::Mask m) __attribute__((always_inline)) {
        Vec squares = Vec::zero();
        for (std::int64_t k = 0; k < p.size; ++k) squares = squares + Vec::load(row + ch + k);
        scale(Vec::load(from + ch, m), squares).store(to + ch, m);
      });
    }
  });
  return {};
}

// --- what they take
// -----------------------------------------------------------------------------------------------------

Refusal all_f32(const KernelQuery& q) {
  for (int i = 0; i < q.in_count; ++i)
    if (q.in[i].present() && q.in[i].dtype != DType::f32) return "an operand is not f32";
  for (int i = 1; i < q.out_count; ++i)
    if (q.out[i].present()) return "statistics are asked for";
  return nullptr;
}
Refusal accepts_any(const KernelQuery& q) noexcept { return all_f32(q); }
/// Every row has the same scale and bias, given once and whole.
Refusal accepts_layer_norm(const KernelQuery& q) noexcept {
  if (Refusal r = all_f32(q)) return r;
  const auto& p = *static_cast<const LayerNormParams*>(q.params);
  const Shape& x = q.input(0).shape;
  for (int i = 1; i < 3; ++i) {
    if (!q.has_input(i)) continue;
    const Shape& s = q.input(i).shape;
    for (int a = 1; a <= x.rank; ++a)
      if ((a <= s.rank ? s[s.rank - a] : 1) != (a <= x.rank - p.axis ? x[x.rank - a] : 1))
        return "scale or bias does not have a row's shape";
    if (q.input(i).dynamic || s.rank > x.rank) return "scale or bias does not have a row's shape";
  }
  return nullptr;
}
Refusal accepts_batch_norm(const KernelQuery& q) noexcept {
  if (static_cast<const BatchNormParams*>(q.params)->training) return "the statistics are the batch's own";
  return all_f32(q);
}
Refusal accepts_lrn(const KernelQuery& q) noexcept {
  if (Refusal r = all_f32(q)) return r;
  const auto& p = *static_cast<const LrnParams*>(q.params);
  return p.bias > 0 && p.alpha >= 0 ? nullptr : "the base of the power may not be positive";
}

/// LayerNormalization and RMSNormalization.
consteval Kernel layer_norm_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::dense},
          .out{Port::dense},
          .accepts = accepts_layer_norm,
          .run = run_layer_norm,
          .in_place_inputs = 1};
}
/// GroupNormalization and InstanceNormalization.
consteval Kernel group_norm_kernel(const char* name, const char* op, Isa needs) {
  return {.name = name,
          .op = op,
          .needs = needs,
          .in{Port::dense},
          .out{Port::dense},
          .accepts = accepts_any,
          .run = run_group_norm,
          .in_place_inputs = 1};
}
consteval Kernel batch_norm_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "BatchNormalization",
          .needs = needs,
          .in{Port::strided, Port::dense},
          .out{Port::strided},
          .accepts = accepts_batch_norm,
          .scratch_bytes = batch_norm_scratch,
          .run = run_batch_norm,
          .in_place_inputs = 1};
}
consteval Kernel lrn_pixels_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "LRN",
          .needs = needs,
          .in{Port::channels_last},
          .out{Port::channels_last},
          .accepts = accepts_lrn,
          .scratch_bytes = lrn_scratch,
          .run = run_lrn_pixels,
          .in_place_inputs = 1};
}
consteval Kernel lrn_dense_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "LRN",
          .needs = needs,
          .in{Port::dense},
          .out{Port::dense},
          .accepts = accepts_lrn,
          .run = run_lrn_dense};
}

}  // namespace
}  // namespace monza::ops
