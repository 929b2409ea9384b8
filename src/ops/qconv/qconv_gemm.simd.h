// QConv and ConvInteger over one or two spatial axes as an implicit matrix product, channels last: see
// qmatmul/igemm.simd.h for the algorithm and its floor.
//
// A convolution with few, uneven channels (a network's first: three) would waste a quarter of every dot and load byte
// by byte; it is copied once into a padded image, where the pixels under one kernel row are consecutive bytes, so that a
// tap is a whole row of the kernel (21 bytes of 24 for 7 x 7 x 3). The copy is a hundredth of such a layer's work.
#pragma once

#include "ops/qconv/qconv.params.h"
#include "ops/qmatmul/igemm.simd.h"

namespace monza::ops {
namespace {

/// The convolution with one-dimensional ones as a height of 1.
struct ConvGeometry {
  std::int64_t batch, channels, height, width;  ///< channels of one group
  std::int64_t filters, out_h, out_w;           ///< filters of one group
  std::int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
  std::int64_t groups;
  bool merged;  ///< a tap is a row of the kernel over a padded copy
  MONZA_INLINE std::int64_t padded_h() const { return (out_h - 1) * stride_h + (kh - 1) * dilation_h + 1; }
  MONZA_INLINE std::int64_t padded_w() const { return (out_w - 1) * stride_w + kw; }
  MONZA_INLINE IgemmPack pack() const {
    if (merged) return {.groups = 1, .columns = filters, .taps = kh, .depth = kw * channels};
    return {.groups = groups, .columns = filters, .taps = kh * kw, .depth = channels};
  }
};

MONZA_INLINE ConvGeometry conv_geometry(const QConvParams& p, const Shape& x, const Shape& w, const Shape& out) {
  ConvGeometry g{};
  const int last = x.rank - 1, axis = p.spatial - 1;
  g.batch = x[0];
  g.groups = p.group;
  g.channels = w[1];
  g.filters = w[0] / p.group;
  g.height = g.out_h = g.kh = g.stride_h = g.dilation_h = 1;
  g.width = x[last];
  g.out_w = out[last];
  g.kw = w[last];
  g.stride_w = p.stride[axis];
  g.dilation_w = p.dilation[axis];
  g.pad_w = conv_pad_begin(p, axis, g.width, g.kw, g.out_w);
  if (p.spatial == 2) {
    g.height = x[2];
    g.out_h = out[2];
    g.kh = w[2];
    g.stride_h = p.stride[0];
    g.dilation_h = p.dilation[0];
    g.pad_h = conv_pad_begin(p, 0, g.height, g.kh, g.out_h);
  }
  g.merged = g.groups == 1 && g.channels % 4 != 0 && g.kw > 1 && g.dilation_w == 1;
  return g;
}

/// Elements from pixel to pixel of a channels-last view: the stride of its innermost pixel axis with an extent.
MONZA_INLINE std::int64_t pixel_pitch(const TensorView& v) {
  for (int i = v.shape.rank - 1; i > 1; --i)
    if (v.shape[i] > 1) return v.stride[i];
  return v.shape[0] > 1 ? v.stride[0] : v.shape[1];
}

template <int kW>
Refusal conv_accepts(const KernelQuery& query) noexcept {
  const auto& p = *static_cast<const QConvParams*>(query.params);
  const OperandDesc& w = query.input(kW);
  if (!w.constant) return "needs a constant weight";
  if (p.spatial > 2) return "has three spatial axes";
  if (w.shape.numel() == 0) return "the weight is empty";
  if (w.shape.count(2, w.shape.rank) > kIgemmPointers / 16) return "the kernel's window is too large";
  if (w.shape[0] > (1 << 22) || w.shape[1] > (1 << 22)) return "the weight is too large";
  if (kW == QInput::w)
    for (int i : {int{QInput::x_scale}, int{QInput::w_scale}, int{QInput::y_scale}, int{QInput::r_scale}, int{QInput::mid_scale}})
      if (query.has_input(i) && query.input(i).dtype != DType::f32) return "scales are not f32";
  return nullptr;
}

template <int kW>
MONZA_INLINE ConvGeometry conv_query_geometry(const KernelQuery& query) {
  return conv_geometry(*static_cast<const QConvParams*>(query.params), query.in[0].shape, query.in[kW].shape, query.out[0].shape);
}

/// Offset in the dense weights [M, C / group, kh, kw].
struct ConvSource {
  ConvGeometry g;
  MONZA_INLINE std::int64_t operator()(std::int64_t group, std::int64_t n, std::int64_t tap, std::int64_t d) const {
    const std::int64_t filter = group * g.filters + n;
    if (g.merged) return ((filter * g.channels + d % g.channels) * g.kh + tap) * g.kw + d / g.channels;
    return (filter * g.channels + d) * g.kh * g.kw + tap;
  }
};

template <int kW>
std::size_t conv_bytes(const KernelQuery& query) noexcept {
  return static_cast<std::size_t>(conv_query_geometry<kW>(query).pack().bytes());
}
template <int kW>
void conv_pack_weights(const KernelQuery& query, std::byte* packed) noexcept {
  const ConvGeometry g = conv_query_geometry<kW>(query);
  igemm_pack(g.pack(), static_cast<const std::uint8_t*>(query.in[kW].data), query.in[kW].dtype == DType::u8, packed, ConvSource{g});
}
template <int kW>
void conv_unpack_weights(const KernelQuery& query, const std::byte* packed, void* dense) noexcept {
  const ConvGeometry g = conv_query_geometry<kW>(query);
  igemm_unpack(g.pack(), packed, query.in[kW].dtype == DType::u8, static_cast<std::uint8_t*>(dense), ConvSource{g});
}

/// Scratch: the column terms, a row of zero points, the padded copy.
MONZA_INLINE std::size_t round64(std::int64_t bytes) { return (static_cast<std::size_t>(bytes) + 63) & ~std::size_t{63}; }
template <int kW>
std::size_t conv_scratch(const KernelQuery& query) noexcept {
  const ConvGeometry g = conv_query_geometry<kW>(query);
  const std::size_t copy = g.merged ? round64(g.batch * g.padded_h() * g.padded_w() * g.channels) + 64 : 0;
  return round64(static_cast<std::int64_t>(igemm_scratch(g.pack()))) + round64(g.channels) + copy;
}

/// Copies the image into [batch, padded_h, padded_w, channels], zero points around it.
inline __attribute__((noinline)) void conv_padded_copy(const ConvGeometry& g, const std::uint8_t* x, std::int64_t pitch, std::uint8_t zero,
                                                       std::uint8_t* to, Parallel& parallel) {
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
      __builtin_memcpy(line + first * g.channels, from + (first - g.pad_w) * pitch, static_cast<std::size_t>((last - first) * g.channels));
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
  job.pack = g.pack();
  job.weights = w.as<std::int8_t>();
  job.flip = x.dtype == DType::i8;
  job.read_depth = g.merged ? job.pack.quads() * 4 : job.pack.depth;
  job.out = out.as<std::byte>();
  job.out_pitch = pixel_pitch(out);
  const QOperands o{c.in, c.in_count};
  const int x_zero = kW == QInput::w ? int{QInput::x_zero} : 2;
  if (kW == QInput::w) {
    job.mode = o.has(QInput::y_scale) ? IgemmOut::q8 : IgemmOut::f32;
    job.act = p.act;
    job.residual_after = p.residual_after != 0;
    if (job.mode == IgemmOut::q8) job.q = o.requantize(p.act, out.dtype);
    job.has_mid = o.has(QInput::mid_scale);
    if (o.has(QInput::residual)) {
      job.residual = c.in[QInput::residual].as<std::byte>();
      job.residual_pitch = pixel_pitch(c.in[QInput::residual]);
      job.residual_signed = c.in[QInput::residual].dtype == DType::i8;
    }
  }
  igemm_prepare(job, o, x_zero, kW == QInput::w ? int{QInput::w_zero} : 3, w.dtype == DType::u8, kW == QInput::w, c.scratch);
  std::byte* scratch = c.scratch + round64(static_cast<std::int64_t>(igemm_scratch(job.pack)));
  const auto zero = static_cast<std::uint8_t>(o.zero(x_zero, 0));
  const std::uint8_t* base = x.as<const std::uint8_t>();
  const std::int64_t pitch = pixel_pitch(x);
  auto* zeros = reinterpret_cast<std::uint8_t*>(scratch);
  if (g.merged) {
    auto* copy = reinterpret_cast<std::uint8_t*>(scratch + round64(g.channels));
    conv_padded_copy(g, base, pitch, zero, copy, *c.parallel);
    const std::int64_t line = g.padded_w() * g.channels, high = g.padded_h();
    igemm_run(job, rows, *c.parallel, [&](const std::uint8_t** to, std::int64_t stride, std::int64_t, std::int64_t first, std::int64_t count) {
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t ox = (first + r) % g.out_w, oy = (first + r) / g.out_w % g.out_h, n = (first + r) / g.out_w / g.out_h;
        const std::uint8_t* at = copy + (n * high + oy * g.stride_h) * line + ox * g.stride_w * g.channels;
        for (std::int64_t k = 0; k < g.kh; ++k) to[k * stride + r] = at + k * g.dilation_h * line;
      }
    });
    return {};
  }
  if (job.pack.taps == 1 && g.stride_h == 1 && g.stride_w == 1 && g.pad_h == 0 && g.pad_w == 0 && g.out_h == g.height && g.out_w == g.width) {
    igemm_run(job, rows, *c.parallel, [&](const std::uint8_t** to, std::int64_t, std::int64_t group, std::int64_t first, std::int64_t count) {
      for (std::int64_t r = 0; r < count; ++r) to[r] = base + (first + r) * pitch + group * g.channels;
    });
    return {};
  }
  __builtin_memset(zeros, zero, static_cast<std::size_t>(g.channels));
  igemm_run(job, rows, *c.parallel, [&](const std::uint8_t** to, std::int64_t stride, std::int64_t group, std::int64_t first, std::int64_t count) {
    std::int64_t ox = first % g.out_w, oy = first / g.out_w % g.out_h, n = first / g.out_w / g.out_h;
    for (std::int64_t r = 0; r < count; ++r) {
      const std::int64_t x0 = ox * g.stride_w - g.pad_w;
      const std::uint8_t** tap = to + r;
      for (std::int64_t ky = 0; ky < g.kh; ++ky) {
        const std::int64_t iy = oy * g.stride_h - g.pad_h + ky * g.dilation_h;
        const bool inside = iy >= 0 && iy < g.height;
        const std::uint8_t* line = base + (n * g.height + iy) * g.width * pitch + group * g.channels;
        for (std::int64_t kx = 0; kx < g.kw; ++kx, tap += stride) {
          const std::int64_t ix = x0 + kx * g.dilation_w;
          *tap = inside && ix >= 0 && ix < g.width ? line + ix * pitch : zeros;
        }
      }
      if (++ox == g.out_w) {
        ox = 0;
        if (++oy == g.out_h) oy = 0, ++n;
      }
    }
  });
  return {};
}

template <int kW>
constexpr Packing kConvPacking{.input = kW, .bytes = conv_bytes<kW>, .pack = conv_pack_weights<kW>, .unpack = conv_unpack_weights<kW>};

constexpr Kernel make_qconv(const char* name, Isa needs) {
  return {.name = name, .op = "QConv", .needs = needs,
          .in{Port::channels_last, Port::dense, Port::dense, Port::packed, Port::dense, Port::dense, Port::dense, Port::dense, Port::dense,
              Port::channels_last, Port::dense},
          .out{Port::channels_last}, .packings = &kConvPacking<QInput::w>, .packing_count = 1, .accepts = conv_accepts<QInput::w>,
          .scratch_bytes = conv_scratch<QInput::w>, .run = conv_run<QInput::w>};
}
constexpr Kernel make_conv_integer(const char* name, Isa needs) {
  return {.name = name, .op = "ConvInteger", .needs = needs, .in{Port::channels_last, Port::packed, Port::dense}, .out{Port::channels_last},
          .packings = &kConvPacking<1>, .packing_count = 1, .accepts = conv_accepts<1>, .scratch_bytes = conv_scratch<1>,
          .run = conv_run<1>};
}

}  // namespace
}  // namespace monza::ops
