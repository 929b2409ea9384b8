// Quantisation per tensor, f32 to and from 8 bits. Bound by memory: 5 bytes an element; DynamicQuantizeLinear reads its
// input twice, the second time from the cache where it fits.
#pragma once

#include "kernel/kernel.h"
#include "ops/quantize/quantize.params.h"
#include "ops/quantize/quantize_span.simd.h"

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

/// The scale and zero point of a whole tensor; `c.scratch` holds the range of every task.
inline __attribute__((noinline)) DynamicScale dynamic_scale(const KernelContext& c) {
  const std::int64_t count = c.in[0].shape.numel(), tasks = quantize_tasks(count);
  const auto* x = c.in[0].as<const float>();
  auto* range = reinterpret_cast<float*>(c.scratch);
  parallel_for(*c.parallel, tasks, [&](std::int64_t task, int) {
    const std::int64_t from = task * kQuantizeTask, to = from + kQuantizeTask < count ? from + kQuantizeTask : count;
    const QuantizeRange r = range_of(x + from, to - from);
    range[2 * task] = r.low;
    range[2 * task + 1] = r.high;
  });
  QuantizeRange all;
  for (std::int64_t t = 0; t < tasks; ++t) all.add({range[2 * t], range[2 * t + 1]});
  const DynamicScale s = all.scale();
  *c.out[1].as<float>() = s.scale;
  *c.out[2].as<std::uint8_t>() = static_cast<std::uint8_t>(s.zero);
  return s;
}

Status dynamic_run(const KernelContext& c) noexcept {
  const DynamicScale s = dynamic_scale(c);
  const std::int64_t count = c.in[0].shape.numel();
  const auto* x = c.in[0].as<const float>();
  auto* y = c.out[0].as<std::uint8_t>();
  parallel_for(*c.parallel, quantize_tasks(count), [&](std::int64_t task, int) {
    const std::int64_t from = task * kQuantizeTask, to = from + kQuantizeTask < count ? from + kQuantizeTask : count;
    quantize_span(x, y, from, to, s.scale, s.zero, false);
  });
  return {};
}

/// Pictures come as three planes and are wanted channels last: both steps at once. `planes` is [3][pixels] of one
/// picture, `y` its first pixel, `pitch` the bytes from pixel to pixel.
inline __attribute__((noinline)) void quantize_picture(const float* planes, std::int64_t pixels, std::uint8_t* y,
                                                       std::int64_t pitch, float scale, std::int32_t zero,
                                                       bool is_signed, std::int64_t from, std::int64_t to) {
  constexpr std::int64_t kSpan = 512;
  // Byte i of the 48 that 16 pixels make comes from channel i % 3, pixel i / 3; 0x80 leaves a zero.
  alignas(16) std::uint8_t order[3][3][16];
  for (int part = 0; part < 3; ++part)
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < 16; ++i)
        order[part][c][i] = static_cast<std::uint8_t>((16 * part + i) % 3 == c ? (16 * part + i) / 3 : 0x80);
  alignas(64) std::uint8_t rows[3][kSpan + 64];
  for (std::int64_t at = from; at < to; at += kSpan) {
    const std::int64_t count = to - at < kSpan ? to - at : kSpan;
    for (int c = 0; c < 3; ++c) quantize_span(planes + c * pixels + at, rows[c], 0, count, scale, zero, is_signed);
    std::uint8_t* out = y + at * pitch;
    std::int64_t i = 0;
    if (pitch == 3)
      for (; i + 16 <= count; i += 16)
        for (int part = 0; part < 3; ++part) {
          __m128i bytes = _mm_setzero_si128();
          for (int c = 0; c < 3; ++c)
            bytes =
                _mm_or_si128(bytes, _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(rows[c] + i)),
                                                     _mm_load_si128(reinterpret_cast<const __m128i*>(order[part][c]))));
          _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * 3 + 16 * part), bytes);
        }
    for (; i < count; ++i)
      for (int c = 0; c < 3; ++c) out[i * pitch + c] = rows[c][i];
  }
}

Refusal picture_accepts(const KernelQuery& query) noexcept {
  if (query.in[0].shape.rank != 4 || query.in[0].shape[1] != 3) return "is not a batch of pictures with three channels";
  return query.in_count > 1 ? quantize_accepts(query) : nullptr;
}

MONZA_INLINE void quantize_pictures(const TensorView& x, const TensorView& y, float scale, std::int32_t zero,
                                    Parallel& parallel) {
  const std::int64_t pixels = x.shape[2] * x.shape[3], tasks = quantize_tasks(pixels);
  const std::int64_t pitch = x.shape[3] > 1 ? y.stride[3] : x.shape[2] > 1 ? y.stride[2] : 3;
  parallel_for(parallel, x.shape[0] * tasks, [&](std::int64_t task, int) {
    const std::int64_t n = task / tasks, from = task % tasks * kQuantizeTask,
                       to = from + kQuantizeTask < pixels ? from + kQuantizeTask : pixels;
    quantize_picture(x.as<const float>() + n * 3 * pixels, pixels, y.as<std::uint8_t>() + n * y.stride[0], pitch, scale,
                     zero, y.dtype == DType::i8, from, to);
  });
}

Status quantize_picture_run(const KernelContext& c) noexcept {
  if (c.in[0].shape.numel() == 0) return {};
  const QOperands o{c.in, c.in_count};
  quantize_pictures(c.in[0], c.out[0], o.scale(1, 0), o.zero(2, 0), *c.parallel);
  return {};
}

consteval Kernel quantize_picture_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "QuantizeLinear",
          .needs = needs,
          .out{Port::channels_last},
          .accepts = picture_accepts,
          .run = quantize_picture_run};
}
consteval Kernel quantize_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "QuantizeLinear",
          .needs = needs,
          .in{Port::uniform, Port::dense},
          .out{Port::uniform},
          .accepts = quantize_accepts,
          .run = quantize_run};
}
consteval Kernel dequantize_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "DequantizeLinear",
          .needs = needs,
          .in{Port::uniform, Port::dense},
          .out{Port::uniform},
          .accepts = dequantize_accepts,
          .run = dequantize_run};
}
Status dynamic_picture_run(const KernelContext& c) noexcept {
  const DynamicScale s = dynamic_scale(c);
  if (c.in[0].shape.numel() != 0) quantize_pictures(c.in[0], c.out[0], s.scale, s.zero, *c.parallel);
  return {};
}
consteval Kernel dynamic_quantize_picture_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "DynamicQuantizeLinear",
          .needs = needs,
          .batch_invariant = false,
          .out{Port::channels_last, Port::dense},
          .accepts = picture_accepts,
          .scratch_bytes = dynamic_scratch,
          .run = dynamic_picture_run};
}
consteval Kernel dynamic_quantize_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "DynamicQuantizeLinear",
          .needs = needs,
          .batch_invariant = false,
          .in{Port::uniform},
          .out{Port::uniform, Port::dense},
          .scratch_bytes = dynamic_scratch,
          .run = dynamic_run};
}

}  // namespace
}  // namespace monza::ops
