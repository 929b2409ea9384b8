// QConv and ConvInteger over one or two spatial axes as an implicit matrix product, channels last: see
// qmatmul/igemm.simd.h for the algorithm and its floor.
//
// A convolution with few, uneven channels (a network's first: three) would waste a quarter of every dot and load byte
// by byte; it is copied once into a padded image, where the pixels under one kernel row are consecutive bytes, so that
// a tap is a whole row of the kernel (21 bytes of 24 for 7 x 7 x 3). The copy is a hundredth of such a layer's work.
#pragma once

#include "ops/qconv/qconv_shape.simd.h"

namespace monza::ops {
namespace {

template <int kW>
Refusal conv_accepts(const KernelQuery& query) noexcept {
  const auto& p = *static_cast<const QConvParams*>(query.params);
  const OperandDesc& w = query.input(kW);
  if (!w.constant) return "needs a constant weight";
  if (p.spatial > 2) return "has three spatial axes";
  if (p.group > 1 && p.group == w.shape[0] && w.shape[1] == 1) return "is depthwise";
  if (w.shape.numel() == 0) return "the weight is empty";
  if (w.shape.count(2, w.shape.rank) > kIgemmPointers / 16) return "the kernel's window is too large";
  if (w.shape[0] > (1 << 22) || w.shape[1] > (1 << 22)) return "the weight is too large";
  if (kW == QInput::w)
    for (int i : {int{QInput::x_scale}, int{QInput::w_scale}, int{QInput::y_scale}, int{QInput::r_scale},
                  int{QInput::mid_scale}})
      if (query.has_input(i) && query.input(i).dtype != DType::f32) return "scales are not f32";
  return nullptr;
}

template <int kW>
MONZA_INLINE ConvGeometry conv_query_geometry(const KernelQuery& query) {
  return conv_geometry(*static_cast<const QConvParams*>(query.params), query.in[0].shape, query.in[kW].shape,
                       query.out[0].shape);
}

template <int kW>
std::size_t conv_bytes(const KernelQuery& query) noexcept {
  return static_cast<std::size_t>(conv_query_geometry<kW>(query).template panels<Q::kLanes, Q::kSplit>().bytes());
}
template <int kW>
void conv_pack_weights(const KernelQuery& query, std::byte* packed) noexcept {
  const ConvGeometry g = conv_query_geometry<kW>(query);
  igemm_pack(g.panels<Q::kLanes, Q::kSplit>(), static_cast<const std::uint8_t*>(query.in[kW].data),
             query.in[kW].dtype == DType::u8, packed, ConvSource{g});
}
/// Weights may have zero points that are not 0 once shifted: then windows need the sums of their pixels.
template <int kW>
MONZA_INLINE bool conv_may_sum(const ConvGeometry& g, const KernelQuery& query) {
  return !g.merged && g.kh * g.kw > 1 &&
         (query.in[kW].dtype == DType::u8 || query.has_input(kW == QInput::w ? int{QInput::w_zero} : 3));
}

/// Scratch: the column terms, a row of zero points, the padded copy or the pixels' sums.
template <int kW>
std::size_t conv_scratch(const KernelQuery& query) noexcept {
  const ConvGeometry g = conv_query_geometry<kW>(query);
  const std::size_t copy = g.merged ? round64(g.batch * g.padded_h() * g.padded_w() * g.channels) + 64 : 0;
  const std::size_t sums = conv_may_sum<kW>(g, query) ? round64(g.groups * g.batch * g.height * g.width * 4) : 0;
  return round64(static_cast<std::int64_t>(igemm_scratch(g.panels<Q::kLanes, Q::kSplit>()))) + round64(g.channels) +
         copy + sums;
}

/// Copies the image into [batch, padded_h, padded_w, channels], zero points around it.
inline __attribute__((noinline)) void conv_padded_copy(const ConvGeometry& g, const std::uint8_t* x, std::int64_t pitch,
                                                       std::uint8_t zero, std::uint8_t* to, Parallel& parallel) {
  const std::int64_t high = g.padded_h(), row = g.padded_w() * g.channels;
  parallel_for(parallel, g.batch * high, [&](std::int64_t task, int) {
    const std::int64_t n = task / high, y = task % high - g.pad_h;
    std::uint8_t* line = to + task * row;
    if (y < 0 || y >= g.height) {
      __builtin_memset(line, zero, static_cast<std::size_t>(row));
      return;
    }
    const std::uint8_t* from = x + (n * g.height + y) * g.width * pitch;
    // Pixels [first, last) of the line lie in the image.
    std::int64_t first = g.pad_w > 0 ? g.pad_w : 0, last = g.width + g.pad_w;
    if (last > g.padded_w()) last = g.padded_w();
    if (first > last) first = last = g.padded_w();
    __builtin_memset(line, zero, static_cast<std::size_t>(first * g.channels));
    if (pitch == g.channels) {
      __builtin_memcpy(line + first * g.channels, from + (first - g.pad_w) * pitch,
                       static_cast<std::size_t>((last - first) * g.channels));
    } else {
      for (std::int64_t i = first; i < last; ++i)
        for (std::int64_t c = 0; c < g.channels; ++c) line[i * g.channels + c] = from[(i - g.pad_w) * pitch + c];
    }
    __builtin_memset(line + last * g.channels, zero, static_cast<std::size_t>((g.padded_w() - last) * g.channels));
  });
}

template <int kW>
Status conv_run(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QConvParams>();
  const TensorView &x = c.in[0], &w = c.in[kW], &out = c.out[0];
  const ConvGeometry g = conv_geometry(p, x.shape, w.shape, out.shape);
  const std::int64_t rows = g.batch * g.out_h * g.out_w;
  if (rows == 0) return {};
  Igemm job;
  igemm_bind(job, g.panels<Q::kLanes, Q::kSplit>(), w.data);
  job.flip = x.dtype == DType::i8;
  job.read_depth = g.merged ? job.pack.quads() * 4 : job.pack.depth;
  job.out = out.as<std::byte>();
  job.out_pitch = pixel_pitch(out);
  const QOperands o{c.in, c.in_count};
  constexpr int x_zero = kW == QInput::w ? int{QInput::x_zero} : 2;
  if (kW == QInput::w) conv_outputs(job, c);
  igemm_prepare(job, o, x_zero, kW == QInput::w ? int{QInput::w_zero} : 3, w.dtype == DType::u8, kW == QInput::w,
                c.scratch);
  std::byte* scratch = c.scratch + round64(static_cast<std::int64_t>(igemm_scratch(job.pack)));
  const auto zero = static_cast<std::uint8_t>(o.zero(x_zero, 0));
  const std::uint8_t* base = x.as<const std::uint8_t>();
  const std::int64_t pitch = pixel_pitch(x);
  auto* zeros = reinterpret_cast<std::uint8_t*>(scratch);
  if (g.merged) {
    auto* copy = reinterpret_cast<std::uint8_t*>(scratch + round64(g.channels));
    conv_padded_copy(g, base, pitch, zero, copy, *c.parallel);
    const std::int64_t line = g.padded_w() * g.channels, high = g.padded_h();
    igemm_run(job, rows, *c.parallel,
              [&](const std::uint8_t** to, std::int64_t stride, std::int64_t, std::int64_t first, std::int64_t count) {
                std::int64_t ox = first % g.out_w, oy = first / g.out_w % g.out_h, n = first / g.out_w / g.out_h;
                for (std::int64_t r = 0; r < count; ++r) {
                  const std::uint8_t* at = copy + (n * high + oy * g.stride_h) * line + ox * g.stride_w * g.channels;
                  for (std::int64_t k = 0; k < g.kh; ++k) to[k * stride + r] = at + k * g.dilation_h * line;
                  if (++ox < g.out_w) continue;
                  ox = 0;
                  if (++oy == g.out_h) oy = 0, ++n;
                }
              });
    return {};
  }
  if (job.pack.taps == 1 && g.stride_h == 1 && g.stride_w == 1 && g.pad_h == 0 && g.pad_w == 0 && g.out_h == g.height &&
      g.out_w == g.width) {
    igemm_run(job, rows, *c.parallel,
              [&](const std::uint8_t** to, std::int64_t, std::int64_t group, std::int64_t first, std::int64_t count) {
                for (std::int64_t r = 0; r < count; ++r) to[r] = base + (first + r) * pitch + group * g.channels;
              });
    return {};
  }
  __builtin_memset(zeros, zero, static_cast<std::size_t>(g.channels));
  const auto point = [&](const std::uint8_t** to, std::int64_t stride, std::int64_t group, std::int64_t first,
                         std::int64_t count) {
    conv_point(g, base + group * g.channels, pitch, zeros, to, stride, first, count);
  };
  if (!job.row_sums || job.pack.taps == 1) {
    igemm_run(job, rows, *c.parallel, point);
    return {};
  }
  // Each pixel's channels are summed once; a window's sum is that of its pixels.
  auto* pixels = reinterpret_cast<std::int32_t*>(zeros + round64(g.channels));
  conv_pixel_sums(g, base, pitch, job.flip, pixels, *c.parallel);
  const std::int32_t outside = static_cast<std::int32_t>(g.channels) * (o.zero(x_zero, 0) + (job.flip ? 128 : 0));
  igemm_run(job, rows, *c.parallel, point,
            [&](std::int32_t* sums, const std::uint8_t* const*, std::int64_t, std::int64_t group, std::int64_t first,
                std::int64_t count) {
              conv_window_sums(g, pixels + group * g.batch * g.height * g.width, outside, sums, first, count);
            });
  return {};
}

template <int kW>
constexpr Packing kConvPacking{.input = kW,
                               .bytes = conv_bytes<kW>,
                               .pack = conv_pack_weights<kW>,
                               .format = Q::kSplit        ? &qconv_split_panels_8
                                         : Q::kLanes == 8 ? &qconv_panels_8
                                                          : &qconv_panels_16};

consteval Kernel qconv_gemm_kernel(const char* name, Isa needs) {
  Kernel k = qconv_kernel(name, needs, kConvPacking<QInput::w>);
  k.accepts = conv_accepts<QInput::w>;
  k.scratch_bytes = conv_scratch<QInput::w>;
  k.version = Q::kSplit ? 2 : 1;
  k.run = conv_run<QInput::w>;
  return k;
}
consteval Kernel conv_integer_gemm_kernel(const char* name, Isa needs) {
  Kernel k = conv_integer_kernel(name, needs, kConvPacking<1>);
  k.accepts = conv_accepts<1>;
  k.scratch_bytes = conv_scratch<1>;
  k.version = Q::kSplit ? 2 : 1;
  k.run = conv_run<1>;
  return k;
}

}  // namespace
}  // namespace monza::ops
