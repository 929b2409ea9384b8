// Depthwise QConv and ConvInteger, channels last: vectors run over channels, and four taps at a time are interleaved so
// that one dot adds four products of one channel.
//
// 3 x 3 windows with 8-bit outputs have a kernel of their own, qconv_dw3.simd.h. Here, per register of channels (64
// with AVX-512) and four taps: 4 loads, 8 shuffles, 4 dots. A 3 x 3 takes three such groups, 24 shuffles for 64
// outputs, which is the ceiling: about 12 cycles of shuffles where two run a cycle. Large images are bound by reading
// and writing each byte once, L2 or memory.
#pragma once

#include "ops/qconv/qconv_dw3.simd.h"

namespace monza::ops {
namespace {

inline constexpr int kDwRows = 6;  ///< pixels of a tile: igemm_finish's accumulators

template <int kW>
Refusal dw_accepts(const KernelQuery& query) noexcept {
  const auto& p = *static_cast<const QConvParams*>(query.params);
  const OperandDesc& w = query.input(kW);
  if (!w.constant) return "needs a constant weight";
  if (p.spatial > 2) return "has three spatial axes";
  if (w.shape.numel() == 0) return "the weight is empty";
  if (p.group != w.shape[0] || w.shape[1] != 1) return "is not depthwise";
  if (w.shape.count(2, w.shape.rank) > kIgemmPointers / 16) return "the kernel's window is too large";
  if (kW == QInput::w)
    for (int i : {int{QInput::x_scale}, int{QInput::w_scale}, int{QInput::y_scale}, int{QInput::r_scale},
                  int{QInput::mid_scale}})
      if (query.has_input(i) && query.input(i).dtype != DType::f32) return "scales are not f32";
  return nullptr;
}

MONZA_INLINE IgemmPack dw_columns(const DwPack& k) {
  return {.groups = 1, .columns = k.channels, .taps = 1, .depth = k.taps};
}

template <int kW>
std::size_t dw_scratch(const KernelQuery& query) noexcept {
  const DwPack k = dw_pack_of(query.in[kW].shape);
  const std::int64_t width = query.in[0].shape[query.in[0].shape.rank - 1];
  return round64(static_cast<std::int64_t>(igemm_scratch(dw_columns(k)))) +
         round64(k.channels * (k.columns ? width : 1));
}

/// What the dots of `rows` pixels and one block of channels add to its terms; `n` channels of it exist. kQuads 0: any
/// number of them.
template <int kQuads, bool kFlip, bool kWhole>
void dw_tile(const std::uint8_t* const* pointers, std::int64_t stride, int rows, std::int64_t channel, std::int64_t n,
             const std::int8_t* weights, std::int64_t quads, int panels, const std::int32_t* start, std::int32_t* acc) {
  if (kQuads != 0) quads = kQuads;
  const std::int64_t bytes = kWhole ? kDwBlock : n;
  for (int r = 0; r < rows; ++r) {
    Q::I sum[4] = {Q::zero(), Q::zero(), Q::zero(), Q::zero()};
#pragma GCC unroll 3
    for (std::int64_t q = 0; q < quads; ++q) {
      Q::I taps[4], lanes[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) taps[i] = Q::load_bytes(pointers[(q * 4 + i) * stride + r] + channel, bytes);
      Q::interleave(taps, lanes);
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        Q::A a = Q::activations(lanes[k]);
        if constexpr (kFlip) a = Q::flip(a);
        sum[k] = Q::dot(sum[k], a, Q::weights(weights + (q * 4 + k) * Q::kLanes * 4));
      }
    }
    Q::in_order(sum);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
      if (kWhole || k < panels)
        Q::store(acc + (r * panels + k) * Q::kLanes, Q::add(sum[k], Q::load(start + k * Q::kLanes)));
  }
}

template <bool kFlip>
MONZA_INLINE void dw_tile_any(const std::uint8_t* const* pointers, std::int64_t stride, int rows, std::int64_t channel,
                              std::int64_t n, const std::int8_t* weights, std::int64_t quads, int panels,
                              const std::int32_t* start, std::int32_t* acc) {
  if (n >= kDwBlock) {
    if (quads == 3) dw_tile<3, kFlip, true>(pointers, stride, rows, channel, n, weights, quads, panels, start, acc);
    else dw_tile<0, kFlip, true>(pointers, stride, rows, channel, n, weights, quads, panels, start, acc);
  } else {
    if (quads == 3) dw_tile<3, kFlip, false>(pointers, stride, rows, channel, n, weights, quads, panels, start, acc);
    else dw_tile<0, kFlip, false>(pointers, stride, rows, channel, n, weights, quads, panels, start, acc);
  }
}

template <int kW>
Status dw_run(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QConvParams>();
  const TensorView &x = c.in[0], &w = c.in[kW], &out = c.out[0];
  const ConvGeometry g = conv_geometry(p, x.shape, w.shape, out.shape);
  const std::int64_t rows = g.batch * g.out_h * g.out_w;
  if (rows == 0) return {};
  const DwPack k = dw_pack_of(w.shape);
  Igemm job;
  job.pack = dw_columns(k);
  job.weights = w.as<std::int8_t>();
  job.sums = reinterpret_cast<const std::int32_t*>(job.weights + k.sums_at());
  job.flip = x.dtype == DType::i8;
  job.out = out.as<std::byte>();
  job.out_pitch = pixel_pitch(out);
  const QOperands o{c.in, c.in_count};
  constexpr int x_zero = kW == QInput::w ? int{QInput::x_zero} : 2;
  if (kW == QInput::w) conv_outputs(job, c);
  igemm_prepare(job, o, x_zero, kW == QInput::w ? int{QInput::w_zero} : 3, w.dtype == DType::u8, kW == QInput::w,
                c.scratch);
  auto* zeros =
      reinterpret_cast<std::uint8_t*>(c.scratch + round64(static_cast<std::int64_t>(igemm_scratch(job.pack))));
  const auto* base = x.as<const std::uint8_t>();
  const std::int64_t pitch = pixel_pitch(x), quads = k.quads();
  const bool tap_sums = job.row_sums, by_columns = dw3_takes(job, g, k.channels, pitch);
  __builtin_memset(zeros, o.zero(x_zero, 0), static_cast<std::size_t>(k.channels * (by_columns ? g.width : 1)));
  if (by_columns) {
    dw3_run(job, k, g, base, zeros, static_cast<std::uint8_t>(o.zero(x_zero, 0)), *c.parallel);
    return {};
  }
  std::int64_t most = kIgemmPointers / (quads * 4);
  if (most > kIgemmChunk) most = kIgemmChunk;
  std::int64_t chunks = (rows + most - 1) / most;
  const std::int64_t threads = c.parallel->threads();
  if (threads > 1 && chunks < threads * 4) chunks = threads * 4 < (rows + 11) / 12 ? threads * 4 : (rows + 11) / 12;
  parallel_for(*c.parallel, chunks, [&](std::int64_t task, int) {
    const std::int64_t first = rows * task / chunks, count = rows * (task + 1) / chunks - first;
    const std::uint8_t* pointers[kIgemmPointers];
    conv_point(g, base, pitch, zeros, pointers, most, first, count, k.columns ? 4 : 0);
    for (std::int64_t t = k.taps; t < quads * 4; ++t) {  // their weights are 0
      const std::int64_t slot = k.columns ? (t - k.taps) * 4 + 3 : t;
      for (std::int64_t r = 0; r < count; ++r) pointers[slot * most + r] = zeros;
    }
    alignas(64) std::int32_t acc[kDwRows * kDwBlock];
    for (std::int64_t block = 0; block < k.blocks(); ++block) {
      const std::int64_t channel = block * kDwBlock, n = k.channels - channel;
      const int panels = static_cast<int>(n >= kDwBlock ? 4 : (n + Q::kLanes - 1) / Q::kLanes);
      const std::int8_t* weights = job.weights + block * k.block_bytes();
      for (std::int64_t r = 0; r < count; r += kDwRows) {
        const int tile = static_cast<int>(count - r < kDwRows ? count - r : kDwRows);
        (job.flip ? dw_tile_any<true> : dw_tile_any<false>)(pointers + r, most, tile, channel, n, weights, quads,
                                                            panels, job.start + channel, acc);
        if (tap_sums)  // a channel's sum over its taps takes the place of a row's sum
          for (int i = 0; i < tile; ++i)
            for (std::int64_t j = 0; j < n && j < kDwBlock; ++j) {
              std::uint32_t sum = 0;
              for (std::int64_t t = 0; t < k.taps; ++t)
                sum +=
                    static_cast<std::uint8_t>(pointers[k.slot(t) * most + r + i][channel + j] ^ (job.flip ? 0x80 : 0));
              std::int32_t& a = acc[i * panels * Q::kLanes + j];
              a = static_cast<std::int32_t>(static_cast<std::uint32_t>(a) -
                                            sum * static_cast<std::uint32_t>(job.w_zero[channel + j]));
            }
        igemm_finish(job, {acc, first + r, 0, channel, tile, panels});
      }
    }
  });
  return {};
}

template <int kW>
constexpr Packing kDwPacking{.input = kW,
                             .bytes = dw_bytes<kW>,
                             .pack = dw_pack_weights<kW>,
                             .format = Q::kLanes == 8 ? &qconv_depthwise_8 : &qconv_depthwise_16};

consteval Kernel qconv_dw_kernel(const char* name, Isa needs) {
  Kernel k = qconv_kernel(name, needs, kDwPacking<QInput::w>);
  k.accepts = dw_accepts<QInput::w>;
  k.scratch_bytes = dw_scratch<QInput::w>;
  k.run = dw_run<QInput::w>;
  return k;
}
consteval Kernel conv_integer_dw_kernel(const char* name, Isa needs) {
  Kernel k = conv_integer_kernel(name, needs, kDwPacking<1>);
  k.accepts = dw_accepts<1>;
  k.scratch_bytes = dw_scratch<1>;
  k.run = dw_run<1>;
  return k;
}

}  // namespace
}  // namespace monza::ops
