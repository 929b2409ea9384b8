// Depthwise QConv and ConvInteger, channels last: vectors run over channels, and four taps at a time are interleaved so
// that one dot adds four products of one channel.
//
// Per register of channels (64 with AVX-512) and four taps: 4 loads, 8 shuffles, 4 dots. A 3 x 3 takes three such
// groups, 24 shuffles for 64 outputs, which is the ceiling: about 12 cycles of shuffles where two run a cycle. Large
// images are bound by reading and writing each byte once, L2 or memory.
#pragma once

#include "ops/qconv/qconv_shape.simd.h"

namespace monza::ops {
namespace {

inline constexpr std::int64_t kDwBlock = Q::kLanes * 4;  ///< channels of a block
inline constexpr int kDwRows = 6;                        ///< pixels of a tile: igemm_finish's accumulators

/// Packed: per block of channels, per group of four taps, four registers of weights; then the sums, one a channel.
struct DwPack {
  std::int64_t channels, taps;
  MONZA_INLINE std::int64_t blocks() const { return (channels + kDwBlock - 1) / kDwBlock; }
  MONZA_INLINE std::int64_t quads() const { return (taps + 3) / 4; }
  MONZA_INLINE std::int64_t block_bytes() const { return quads() * kDwBlock * 4; }
  MONZA_INLINE std::int64_t sums_at() const { return blocks() * block_bytes(); }
  MONZA_INLINE std::int64_t bytes() const { return sums_at() + blocks() * kDwBlock * 4; }
  /// unpack instructions work within 128 bits: register k, lane i holds channel 16 (i / 4) + 4 k + i % 4 of its block.
  MONZA_INLINE std::int64_t at(std::int64_t channel, std::int64_t tap) const {
    const std::int64_t in = channel % kDwBlock, lane = in / 16 * 4 + in % 4, k = in % 16 / 4;
    return channel / kDwBlock * block_bytes() + ((tap / 4 * 4 + k) * Q::kLanes + lane) * 4 + tap % 4;
  }
};

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

MONZA_INLINE DwPack dw_pack_of(const Shape& w) { return {w[0], w.count(2, w.rank)}; }

template <int kW>
std::size_t dw_bytes(const KernelQuery& query) noexcept {
  return static_cast<std::size_t>(dw_pack_of(query.in[kW].shape).bytes());
}
template <int kW>
void dw_pack_weights(const KernelQuery& query, std::byte* packed) noexcept {
  const DwPack k = dw_pack_of(query.in[kW].shape);
  const auto* dense = static_cast<const std::uint8_t*>(query.in[kW].data);
  const std::uint8_t flip = query.in[kW].dtype == DType::u8 ? 0x80 : 0;
  __builtin_memset(packed, 0, static_cast<std::size_t>(k.bytes()));
  auto* sums = reinterpret_cast<std::int32_t*>(packed + k.sums_at());
  for (std::int64_t c = 0; c < k.channels; ++c)
    for (std::int64_t t = 0; t < k.taps; ++t) {
      const std::uint8_t value = dense[c * k.taps + t] ^ flip;
      packed[k.at(c, t)] = static_cast<std::byte>(value);
      sums[c] += static_cast<std::int8_t>(value);
    }
}
template <int kW>
void dw_unpack_weights(const KernelQuery& query, const std::byte* packed, void* dense) noexcept {
  const DwPack k = dw_pack_of(query.in[kW].shape);
  const std::uint8_t flip = query.in[kW].dtype == DType::u8 ? 0x80 : 0;
  for (std::int64_t c = 0; c < k.channels; ++c)
    for (std::int64_t t = 0; t < k.taps; ++t)
      static_cast<std::uint8_t*>(dense)[c * k.taps + t] = static_cast<std::uint8_t>(packed[k.at(c, t)]) ^ flip;
}

MONZA_INLINE IgemmPack dw_columns(const DwPack& k) {
  return {.groups = 1, .columns = k.channels, .taps = 1, .depth = k.taps};
}

template <int kW>
std::size_t dw_scratch(const KernelQuery& query) noexcept {
  const DwPack k = dw_pack_of(query.in[kW].shape);
  return round64(static_cast<std::int64_t>(igemm_scratch(dw_columns(k)))) + round64(k.channels);
}

/// The dots of `rows` pixels and one block of channels; `n` channels of it exist. kQuads 0: any number of them.
template <int kQuads, bool kFlip, bool kWhole>
void dw_tile(const std::uint8_t* const* pointers, std::int64_t stride, int rows, std::int64_t channel, std::int64_t n,
             const std::int8_t* weights, std::int64_t quads, int panels, std::int32_t* acc) {
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
      if (kWhole || k < panels) Q::store(acc + (r * panels + k) * Q::kLanes, sum[k]);
  }
}

template <bool kFlip>
MONZA_INLINE void dw_tile_any(const std::uint8_t* const* pointers, std::int64_t stride, int rows, std::int64_t channel,
                              std::int64_t n, const std::int8_t* weights, std::int64_t quads, int panels,
                              std::int32_t* acc) {
  if (n >= kDwBlock) {
    if (quads == 3) dw_tile<3, kFlip, true>(pointers, stride, rows, channel, n, weights, quads, panels, acc);
    else dw_tile<0, kFlip, true>(pointers, stride, rows, channel, n, weights, quads, panels, acc);
  } else {
    if (quads == 3) dw_tile<3, kFlip, false>(pointers, stride, rows, channel, n, weights, quads, panels, acc);
    else dw_tile<0, kFlip, false>(pointers, stride, rows, channel, n, weights, quads, panels, acc);
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
  // A channel's sum over its taps takes the place of a row's sum, so it is taken off here and not on the way out.
  const bool tap_sums = job.row_sums;
  job.row_sums = false;
  auto* zeros =
      reinterpret_cast<std::uint8_t*>(c.scratch + round64(static_cast<std::int64_t>(igemm_scratch(job.pack))));
  __builtin_memset(zeros, o.zero(x_zero, 0), static_cast<std::size_t>(k.channels));
  const auto* base = x.as<const std::uint8_t>();
  const std::int64_t pitch = pixel_pitch(x), quads = k.quads();
  std::int64_t most = kIgemmPointers / (quads * 4);
  if (most > kIgemmChunk) most = kIgemmChunk;
  std::int64_t chunks = (rows + most - 1) / most;
  const std::int64_t threads = c.parallel->threads();
  if (threads > 1 && chunks < threads * 4) chunks = threads * 4 < (rows + 11) / 12 ? threads * 4 : (rows + 11) / 12;
  parallel_for(*c.parallel, chunks, [&](std::int64_t task, int) {
    const std::int64_t first = rows * task / chunks, count = rows * (task + 1) / chunks - first;
    const std::uint8_t* pointers[kIgemmPointers];
    conv_point(g, base, pitch, zeros, pointers, most, first, count);
    for (std::int64_t t = k.taps; t < quads * 4; ++t)
      for (std::int64_t r = 0; r < count; ++r) pointers[t * most + r] = zeros;  // their weights are 0
    alignas(64) std::int32_t acc[kDwRows * kDwBlock];
    for (std::int64_t block = 0; block < k.blocks(); ++block) {
      const std::int64_t channel = block * kDwBlock, n = k.channels - channel;
      const int panels = static_cast<int>(n >= kDwBlock ? 4 : (n + Q::kLanes - 1) / Q::kLanes);
      const std::int8_t* weights = job.weights + block * k.block_bytes();
      for (std::int64_t r = 0; r < count; r += kDwRows) {
        const int tile = static_cast<int>(count - r < kDwRows ? count - r : kDwRows);
        if (job.flip) dw_tile_any<true>(pointers + r, most, tile, channel, n, weights, quads, panels, acc);
        else dw_tile_any<false>(pointers + r, most, tile, channel, n, weights, quads, panels, acc);
        if (tap_sums)
          for (int i = 0; i < tile; ++i)
            for (std::int64_t j = 0; j < n && j < kDwBlock; ++j) {
              std::uint32_t sum = 0;
              for (std::int64_t t = 0; t < k.taps; ++t)
                sum += static_cast<std::uint8_t>(pointers[t * most + r + i][channel + j] ^ (job.flip ? 0x80 : 0));
              std::int32_t& a = acc[i * panels * Q::kLanes + j];
              a = static_cast<std::int32_t>(static_cast<std::uint32_t>(a) -
                                            sum * static_cast<std::uint32_t>(job.w_zero[channel + j]));
            }
        igemm_finish(job, {acc, first + r, 0, channel, tile, panels, nullptr});
      }
    }
  });
  return {};
}

template <int kW>
constexpr Packing kDwPacking{
    .input = kW, .bytes = dw_bytes<kW>, .pack = dw_pack_weights<kW>, .unpack = dw_unpack_weights<kW>};

constexpr Kernel make_qconv_dw(const char* name, Isa needs) {
  return {.name = name,
          .op = "QConv",
          .needs = needs,
          .in{Port::channels_last, Port::dense, Port::dense, Port::packed, Port::dense, Port::dense, Port::dense,
              Port::dense, Port::dense, Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .packings = &kDwPacking<QInput::w>,
          .packing_count = 1,
          .accepts = dw_accepts<QInput::w>,
          .scratch_bytes = dw_scratch<QInput::w>,
          .run = dw_run<QInput::w>};
}
constexpr Kernel make_conv_integer_dw(const char* name, Isa needs) {
  return {.name = name,
          .op = "ConvInteger",
          .needs = needs,
          .in{Port::channels_last, Port::packed, Port::dense},
          .out{Port::channels_last},
          .packings = &kDwPacking<1>,
          .packing_count = 1,
          .accepts = dw_accepts<1>,
          .scratch_bytes = dw_scratch<1>,
          .run = dw_run<1>};
}

}  // namespace
}  // namespace monza::ops
