// Quantisation per tensor, f32 to and from 8 bits. Bound by memory: 5 bytes an element; DynamicQuantizeLinear reads its
// input twice, the second time from the cache where it fits. The quotient is a division, as ONNX says: a reciprocal would
// round some halves the other way.
#pragma once

#include "kernel/kernel.h"
#include "ops/activation/vec.simd.h"
#include "ops/qmatmul/operands.params.h"
#include "ops/qmatmul/vnni.simd.h"
#include "ops/quantize/quantize.params.h"

namespace monza::ops {
namespace {

inline constexpr std::int64_t kQuantizeTask = 16384;  ///< elements of a task: 64 KiB of f32

MONZA_INLINE std::int64_t quantize_tasks(std::int64_t count) { return (count + kQuantizeTask - 1) / kQuantizeTask; }

/// The element is one of 8 bits.
MONZA_INLINE bool quantize_8bit(DType t) { return t == DType::u8 || t == DType::i8; }

Refusal quantize_accepts(const KernelQuery& query) noexcept {
  const auto& p = *static_cast<const QuantizeParams*>(query.params);
  if (p.block_size != 0 || query.in[1].shape.numel() != 1) return "has more than one scale";
  if (query.in[0].dtype != DType::f32 || query.in[1].dtype != DType::f32) return "is not f32";
  if (p.precision != 0 && p.precision != static_cast<std::int32_t>(DType::f32)) return "is not computed in f32";
  if (!quantize_8bit(query.out[0].dtype)) return "the output is not 8-bit";
  return nullptr;
}
Refusal dequantize_accepts(const KernelQuery& query) noexcept {
  const auto& p = *static_cast<const QuantizeParams*>(query.params);
  if (p.block_size != 0 || query.in[1].shape.numel() != 1) return "has more than one scale";
  if (query.in[1].dtype != DType::f32 || query.out[0].dtype != DType::f32) return "is not f32";
  if (!quantize_8bit(query.in[0].dtype)) return "the input is not 8-bit";
  return nullptr;
}

/// Elements [from, to) of x / scale, rounded, with the zero point added, saturated.
MONZA_INLINE void quantize_span(const float* x, std::uint8_t* y, std::int64_t from, std::int64_t to, float scale, std::int32_t zero, bool is_signed) {
  const Q::F s = Q::set(scale), low = Q::set(static_cast<float>((is_signed ? -128 : 0) - zero)), high = Q::set(static_cast<float>((is_signed ? 127 : 255) - zero));
  const Q::I z = Q::set(zero);
  for (std::int64_t i = from; i < to; i += Q::kLanes) {
    const Q::Mask mask = Q::mask(to - i);
    const Q::F v = Q::clamp(Q::number(Q::div(Q::load_f32(x + i, mask), s)), low, high);
    Q::store_u8(y + i, Q::add(Q::to_i32(v), z), mask);
  }
}

Status quantize_run(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  const std::int64_t count = c.in[0].shape.numel();
  const float scale = o.scale(1, 0);
  const std::int32_t zero = o.zero(2, 0);
  const auto* x = c.in[0].as<const float>();
  auto* y = c.out[0].as<std::uint8_t>();
  const bool is_signed = c.out[0].dtype == DType::i8;
  parallel_for(*c.parallel, quantize_tasks(count), [&](std::int64_t task, int) {
    const std::int64_t from = task * kQuantizeTask, to = from + kQuantizeTask < count ? from + kQuantizeTask : count;
    quantize_span(x, y, from, to, scale, zero, is_signed);
  });
  return {};
}

Status dequantize_run(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  const std::int64_t count = c.in[0].shape.numel();
  const Q::F scale = Q::set(o.scale(1, 0));
  const Q::I zero = Q::set(o.zero(2, 0));
  const auto* x = c.in[0].as<const std::uint8_t>();
  auto* y = c.out[0].as<float>();
  const bool is_signed = c.in[0].dtype == DType::i8;
  parallel_for(*c.parallel, quantize_tasks(count), [&](std::int64_t task, int) {
    const std::int64_t from = task * kQuantizeTask, to = from + kQuantizeTask < count ? from + kQuantizeTask : count;
    for (std::int64_t i = from; i < to; i += Q::kLanes) {
      const Q::Mask mask = Q::mask(to - i);
      const Q::I v = is_signed ? Q::load_i8(x + i, mask) : Q::load_u8(x + i, mask);
      Q::store_f32(y + i, Q::mul(Q::to_f32(Q::sub(v, zero)), scale), mask);
    }
  });
  return {};
}

std::size_t dynamic_scratch(const KernelQuery& query) noexcept {
  return static_cast<std::size_t>(quantize_tasks(query.in[0].shape.numel())) * 2 * sizeof(float);
}

Status dynamic_run(const KernelContext& c) noexcept {
  const std::int64_t count = c.in[0].shape.numel(), tasks = quantize_tasks(count);
  const auto* x = c.in[0].as<const float>();
  auto* range = reinterpret_cast<float*>(c.scratch);
  parallel_for(*c.parallel, tasks, [&](std::int64_t task, int) {
    const std::int64_t from = task * kQuantizeTask, to = from + kQuantizeTask < count ? from + kQuantizeTask : count;
    Vec low[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()}, high[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
    std::int64_t i = from;
    for (; i + 4 * Vec::kWidth <= to; i += 4 * Vec::kWidth)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const Vec v = Vec::load(x + i + k * Vec::kWidth);
        low[k] = min(v, low[k]);  // the second where v is NaN
        high[k] = max(v, high[k]);
      }
    for (; i < to; i += Vec::kWidth) {
      const Vec v = Vec::load(x + i, Vec::mask(to - i < Vec::kWidth ? to - i : Vec::kWidth));  // zeros beyond the end
      low[0] = min(v, low[0]);
      high[0] = max(v, high[0]);
    }
    float lows[Vec::kWidth], highs[Vec::kWidth];
    min(min(low[0], low[1]), min(low[2], low[3])).store(lows);
    max(max(high[0], high[1]), max(high[2], high[3])).store(highs);
    float a = 0, b = 0;
    for (int k = 0; k < Vec::kWidth; ++k) {
      a = lows[k] < a ? lows[k] : a;
      b = highs[k] > b ? highs[k] : b;
    }
    range[2 * task] = a;
    range[2 * task + 1] = b;
  });
  float low = 0, high = 0;
  for (std::int64_t t = 0; t < tasks; ++t) {
    low = range[2 * t] < low ? range[2 * t] : low;
    high = range[2 * t + 1] > high ? range[2 * t + 1] : high;
  }
  const float scale = high == low ? 1.0F : (high - low) / 255.0F;
  float offset = __builtin_nearbyintf((0.0F - low) / scale);
  offset = offset > 0 ? offset : 0;
  const auto zero = static_cast<std::int32_t>(offset < 255 ? offset : 255);
  auto* y = c.out[0].as<std::uint8_t>();
  parallel_for(*c.parallel, tasks, [&](std::int64_t task, int) {
    const std::int64_t from = task * kQuantizeTask, to = from + kQuantizeTask < count ? from + kQuantizeTask : count;
    quantize_span(x, y, from, to, scale, zero, false);
  });
  *c.out[1].as<float>() = scale;
  *c.out[2].as<std::uint8_t>() = static_cast<std::uint8_t>(zero);
  return {};
}

constexpr Kernel make_quantize(const char* name, Isa needs) {
  return {.name = name, .op = "QuantizeLinear", .needs = needs, .in{Port::uniform, Port::dense}, .out{Port::uniform}, .accepts = quantize_accepts,
          .run = quantize_run};
}
constexpr Kernel make_dequantize(const char* name, Isa needs) {
  return {.name = name, .op = "DequantizeLinear", .needs = needs, .in{Port::uniform, Port::dense}, .out{Port::uniform},
          .accepts = dequantize_accepts, .run = dequantize_run};
}
constexpr Kernel make_dynamic_quantize(const char* name, Isa needs) {
  return {.name = name, .op = "DynamicQuantizeLinear", .needs = needs, .batch_invariant = false, .in{Port::uniform},
          .out{Port::uniform, Port::dense}, .scratch_bytes = dynamic_scratch, .run = dynamic_run};
}

}  // namespace
}  // namespace monza::ops
