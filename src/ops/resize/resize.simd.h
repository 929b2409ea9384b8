// Nearest and linear resampling of the two image axes of channels-last tensors. Source positions are found once for a
// run, into scratch. Nearest copies runs of channels and is bound by memory; linear reads four input pixels (mostly
// from L1: neighbours share them) for one output pixel, three fused multiply-adds a vector.
#pragma once

#include "kernel/kernel.h"
#include "ops/resize/resize.params.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

/// Where an output index of one axis reads: element offsets of two input positions and the second one's weight.
struct Tap {
  std::int64_t first, second;
  float weight;
  std::int32_t unused;
};

MONZA_INLINE Tap tap_of(const ResizeParams& p, int axis, std::int64_t i, std::int64_t in, std::int64_t out,
                        std::int64_t stride) {
  const double scale =
      p.scales == ResizeParams::Scales::known ? p.scale[axis] : static_cast<double>(out) / static_cast<double>(in);
  Tap t{i * stride, i * stride, 0.5F, 0};
  if (in == out && scale == 1) return t;
  const double x = resize_source(p.transform, i, in, out, scale, 0, 1);
  const double base = __builtin_floor(x), ratio = x - base;
  const auto inside = [&](std::int64_t at) { return (at < 0 ? 0 : at >= in ? in - 1 : at) * stride; };
  const auto low = static_cast<std::int64_t>(base);
  if (p.mode == ResizeParams::Mode::linear) {
    // A neighbour of weight 0 is not read: an infinity or NaN there would count. Twice a half of one is that one.
    if (ratio == 0) return {inside(low), inside(low), 0.5F, 0};
    return {inside(low), inside(low + 1), static_cast<float>(ratio), 0};
  }
  bool upper = false;
  switch (p.nearest) {
    case ResizeParams::Nearest::round_prefer_floor: upper = ratio > 0.5; break;
    case ResizeParams::Nearest::round_prefer_ceil: upper = ratio >= 0.5; break;
    case ResizeParams::Nearest::floor: break;
    case ResizeParams::Nearest::ceil: upper = ratio > 0; break;
  }
  t.first = t.second = inside(upper ? low + 1 : low);
  return t;
}

std::size_t scratch_resize(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.out[0].shape[2] + q.out[0].shape[3]) * sizeof(Tap);
}

Refusal accepts_resize(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const ResizeParams*>(q.params);
  const OperandDesc &x = q.in[0], &out = q.out[0];
  if (x.shape.rank != 4) return "takes two image axes";
  if (x.shape[0] != out.shape[0] || x.shape[1] != out.shape[1] || p.scale[0] != 1 || p.scale[1] != 1)
    return "resizes no batch and no channels";
  if (p.scales == ResizeParams::Scales::read) return "needs scales that are known at build";
  if (p.transform == ResizeParams::Transform::tf_crop_and_resize) return "has no region of interest";
  if (p.mode == ResizeParams::Mode::cubic) return "has no cubic mode";
  if (p.mode == ResizeParams::Mode::linear && x.dtype != DType::f32) return "takes f32 in linear mode";
  if (p.mode == ResizeParams::Mode::linear && (p.antialias || p.exclude_outside))
    return "has neither antialias nor exclude_outside";
  if (p.mode == ResizeParams::Mode::nearest && p.exclude_outside) return "has no exclude_outside";
  switch (x.dtype) {
    case DType::f32:
    case DType::i32:
    case DType::f16:
    case DType::bf16:
    case DType::u8:
    case DType::i8: return nullptr;
    default: return "takes elements of 1, 2 and 4 bytes";
  }
}

MONZA_INLINE void copy_channels(const char* from, char* to, std::int64_t bytes) {
  std::int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 64 <= bytes; i += 64) _mm512_storeu_si512(to + i, _mm512_loadu_si512(from + i));
  if (i < bytes) {
    const __mmask64 m = (__mmask64{1} << (bytes - i)) - 1;
    _mm512_mask_storeu_epi8(to + i, m, _mm512_maskz_loadu_epi8(m, from + i));
  }
#else
  for (; i + 32 <= bytes; i += 32)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
  for (; i < bytes; ++i) to[i] = from[i];
#endif
}

MONZA_INLINE Vec blend(Vec a, Vec b, Vec t) { return fma(t, b, (Vec::set(1.0f) - t) * a); }

Status run_resize(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ResizeParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  if (out.shape.numel() == 0) return {};
  if (x.shape.numel() == 0)
    return {StatusCode::invalid_argument, "Resize: an empty tensor cannot be resized to one with elements"};
  const std::int64_t height = out.shape[2], width = out.shape[3], channels = out.shape[1];
  auto* rows = reinterpret_cast<Tap*>(c.scratch);
  Tap* columns = rows + height;
  for (std::int64_t i = 0; i < height; ++i) rows[i] = tap_of(p, 2, i, x.shape[2], height, x.stride[2]);
  for (std::int64_t i = 0; i < width; ++i) columns[i] = tap_of(p, 3, i, x.shape[3], width, x.stride[3]);
  const bool linear = p.mode == ResizeParams::Mode::linear;
  const std::int64_t size = x.dtype == DType::f32 || x.dtype == DType::i32 ? 4
                            : x.dtype == DType::u8 || x.dtype == DType::i8 ? 1
                                                                           : 2;
  parallel_for(*c.parallel, out.shape[0] * height, [&](std::int64_t task, int) {
    const std::int64_t n = task / height, y = task % height;
    const Tap& row = rows[y];
    if (!linear) {
      const char* from = x.as<char>() + (n * x.stride[0] + row.first) * size;
      char* to = out.as<char>() + (n * out.stride[0] + y * out.stride[2]) * size;
      for (std::int64_t i = 0; i < width; ++i)
        copy_channels(from + columns[i].first * size, to + i * out.stride[3] * size, channels * size);
      return;
    }
    const float* top = x.as<float>() + n * x.stride[0] + row.first;
    const float* bottom = x.as<float>() + n * x.stride[0] + row.second;
    float* to = out.as<float>() + n * out.stride[0] + y * out.stride[2];
    const Vec down = Vec::set(row.weight);
    for (std::int64_t i = 0; i < width; ++i, to += out.stride[3]) {
      const Tap& column = columns[i];
      const Vec right = Vec::set(column.weight);
      std::int64_t ch = 0;
      for (; ch + Vec::kWidth <= channels; ch += Vec::kWidth) {
        const Vec a = blend(Vec::load(top + column.first + ch), Vec::load(top + column.second + ch), right);
        const Vec b = blend(Vec::load(bottom + column.first + ch), Vec::load(bottom + column.second + ch), right);
        blend(a, b, down).store(to + ch);
      }
      if (ch < channels) {
        const auto m = Vec::mask(channels - ch);
        const Vec a = blend(Vec::load(top + column.first + ch, m), Vec::load(top + column.second + ch, m), right);
        const Vec b = blend(Vec::load(bottom + column.first + ch, m), Vec::load(bottom + column.second + ch, m), right);
        blend(a, b, down).store(to + ch, m);
      }
    }
  });
  return {};
}

consteval Kernel resize_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "Resize",
          .needs = needs,
          .in{Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .accepts = accepts_resize,
          .scratch_bytes = scratch_resize,
          .run = run_resize};
}

}  // namespace
}  // namespace monza::ops
