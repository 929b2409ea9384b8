// The way out of an integer product: what its columns share, and accumulators to outputs (see requantize.params.h).
//
// The vector units are the limit: 64 bytes cost four times convert, multiply-add, bound and convert, and seven more to
// pack them, where saturation does the lower bound. A product of depth 16 has as many dots.
#pragma once

#include "ops/qmatmul/coarse_activation.simd.h"
#include "ops/qmatmul/igemm_panels.simd.h"
#include "ops/shared/activation.simd.h"
#include "ops/shared/operands.params.h"
#include "simd/vnni.h"

namespace monza::ops {
namespace {

using IgemmPack = IgemmPanels<Q::kLanes, Q::kSplit>;

enum class IgemmOut { i32, f32, q8 };

/// One product, ready to run: what its blocks of rows share.
struct Igemm {
  IgemmPack pack;
  const std::int8_t* weights = nullptr;
  const std::int32_t* sums = nullptr;  ///< of the weights, per slot
  bool flip = false;                   ///< signed activations
  std::int64_t read_depth = 0;         ///< bytes of a tap that may be read; at least pack.depth
  // Per slot, in scratch: what the accumulator ends with, and the factors of the way out.
  std::int32_t* start = nullptr;
  std::int32_t* w_zero = nullptr;
  float* m = nullptr;
  float* b = nullptr;
  bool row_sums = false;  ///< some w_zero is not 0, so rows need their sums
  IgemmOut mode = IgemmOut::i32;
  Requantize q;
  bool has_mid = false;
  Activation act;
  bool residual_after = false;
  bool out_signed = false;  ///< of 8-bit outputs
  std::byte* out = nullptr;
  std::int64_t out_pitch = 0;  ///< elements from row to row
  const std::byte* residual = nullptr;
  std::int64_t residual_pitch = 0;
  bool residual_signed = false;
};

MONZA_INLINE std::size_t igemm_scratch(const IgemmPack& k) { return static_cast<std::size_t>(k.slots()) * 16; }

/// Points to packed weights that igemm_pack made.
MONZA_INLINE void igemm_bind(Igemm& job, const IgemmPack& pack, const void* packed) {
  job.pack = pack;
  job.weights = static_cast<const std::int8_t*>(packed);
  job.sums = reinterpret_cast<const std::int32_t*>(job.weights + pack.sums_at());
}

/// Computes the per-column terms. `x_zero` and `w_zero` are positions in `o` of the zero points; `units` says that
/// scales and bias are there too (QInput's positions), the scales as f32.
inline __attribute__((noinline)) void igemm_prepare(Igemm& job, const QOperands& o, int x_zero, int w_zero,
                                                    bool w_unsigned, bool units, std::byte* scratch) {
  const IgemmPack& k = job.pack;
  const std::int64_t slots = k.slots(), padded = k.panels() * Q::kLanes;
  job.start = reinterpret_cast<std::int32_t*>(scratch);
  job.w_zero = job.start + slots;
  job.m = reinterpret_cast<float*>(job.w_zero + slots);
  job.b = job.m + slots;
  const std::int32_t xz = o.zero(x_zero, 0) + (job.flip ? 128 : 0);
  const Q::I x = Q::set(xz), elements = Q::set(static_cast<std::int32_t>(k.taps * k.depth)),
             shift = Q::set(w_unsigned ? 128 : 0);
  const TensorView* const zeros = o.has(w_zero) ? &o.in[w_zero] : nullptr;
  const TensorView* const bias = units && o.has(QInput::bias) ? &o.in[QInput::bias] : nullptr;
  const bool whole_bias = bias != nullptr && bias->dtype == DType::i32, real_bias = bias != nullptr && !whole_bias;
  const bool zero_each = zeros != nullptr && zeros->shape.numel() != 1,
             bias_each = bias != nullptr && bias->shape.numel() != 1;
  const Q::I one_zero = Q::set(o.zero(w_zero, 0)), one_bias = Q::set(units ? o.bias_i32(0) : 0);
  const auto terms = [&](std::int64_t channel, std::int64_t s, Q::Mask mask) __attribute__((always_inline)) {
    Q::I wz = one_zero, start = one_bias;
    if (zero_each) {
      const auto* at = zeros->as<const std::uint8_t>() + channel;
      wz = zeros->dtype == DType::u8 ? Q::load_u8(at, mask) : Q::load_i8(at, mask);
    }
    if (whole_bias && bias_each) start = Q::load_i32(bias->as<const std::int32_t>() + channel, mask);
    wz = Q::sub(wz, shift);
    start = Q::sub(start, Q::mul(x, Q::load(job.sums + s)));
    Q::store(job.w_zero + s, wz);
    Q::store(job.start + s, Q::add(start, Q::mul(elements, Q::mul(x, wz))));
    return Q::any(wz, mask);
  };
  bool any = false;
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < k.columns; n += Q::kLanes)
      any |= terms(g * k.columns + n, g * padded + n, Q::mask(k.columns - n));
  job.row_sums = any;
  if (!units) return;
  const TensorView& scales = o.in[QInput::w_scale];
  const bool scale_each = scales.shape.numel() != 1;
  const Q::F x_scale = Q::set(o.scale(QInput::x_scale, 0)), one_scale = Q::set(o.scale(QInput::w_scale, 0)),
             first = Q::set(job.mode == IgemmOut::q8 ? job.q.first : 1.0F), none = Q::set(o.bias_f32(0));
  for (std::int64_t g = 0; g < k.groups; ++g)
    for (std::int64_t n = 0; n < k.columns; n += Q::kLanes) {
      const std::int64_t channel = g * k.columns + n, s = g * padded + n;
      const Q::Mask mask = Q::mask(k.columns - n);
      const Q::F w_scale = scale_each ? Q::load_f32(scales.as<const float>() + channel, mask) : one_scale;
      const Q::F b = real_bias && bias_each ? Q::load_f32(bias->as<const float>() + channel, mask) : none;
      Q::store(job.m + s, Q::div(Q::mul(x_scale, w_scale), first));
      Q::store(job.b + s, Q::div(b, first));
    }
}

/// A tile's exact accumulators, and where its outputs go.
struct IgemmTileOut {
  const std::int32_t* acc;  ///< [rows][panels * kLanes]
  std::int64_t row, g, column;
  int rows, panels;
};

inline __attribute__((noinline)) void igemm_finish_i32(const Igemm& job, const IgemmTileOut& t) {
  const std::int64_t channel = t.g * job.pack.columns + t.column;
  for (int j = 0; j < t.panels; ++j) {
    const Q::Mask mask = Q::mask(job.pack.columns - t.column - j * Q::kLanes);
    std::int32_t* y = reinterpret_cast<std::int32_t*>(job.out) + t.row * job.out_pitch + channel + j * Q::kLanes;
    for (int r = 0; r < t.rows; ++r)
      Q::store_i32(y + r * job.out_pitch, Q::load(t.acc + (r * t.panels + j) * Q::kLanes), mask);
  }
}

inline __attribute__((noinline)) void igemm_finish_f32(const Igemm& job, const IgemmTileOut& t) {
  const std::int64_t slot0 = t.g * job.pack.panels() * Q::kLanes + t.column,
                     channel = t.g * job.pack.columns + t.column;
  const auto* residual = reinterpret_cast<const float*>(job.residual);
  with_activation(job.act, [&](auto act) __attribute__((always_inline)) {
    for (int j = 0; j < t.panels; ++j) {
      const std::int64_t slot = slot0 + j * Q::kLanes;
      const Q::Mask mask = Q::mask(job.pack.columns - t.column - j * Q::kLanes);
      const Q::F m = Q::load(job.m + slot), b = Q::load(job.b + slot);
      float* y = reinterpret_cast<float*>(job.out) + t.row * job.out_pitch + channel + j * Q::kLanes;
      const float* add =
          residual == nullptr ? nullptr : residual + t.row * job.residual_pitch + channel + j * Q::kLanes;
      for (int r = 0; r < t.rows; ++r) {
        Q::F v = Q::fma(Q::to_f32(Q::load(t.acc + (r * t.panels + j) * Q::kLanes)), m, b);
        if (add != nullptr && !job.residual_after) v = Q::add(v, Q::load_f32(add + r * job.residual_pitch, mask));
        v = act(Vec{v}, Vec::zero()).v;
        if (add != nullptr && job.residual_after) v = Q::add(v, Q::load_f32(add + r * job.residual_pitch, mask));
        Q::store_f32(y + r * job.out_pitch, v, mask);
      }
    }
  });
}

/// What makes requantised numbers bytes. All of an output's range are whole numbers, so bounding rounded values is
/// bounding before rounding; the upper bound comes first because conversion to integers wraps above.
struct QBytes {
  Q::F high;
  Q::I zero, low, flip;
};
MONZA_INLINE QBytes q_bytes(const Requantize& q, bool out_signed) {
  const int shift = out_signed ? 128 : 0;  // bytes of either sign are packed as unsigned ones
  return {Q::set(q.high), Q::set_words(q.y_zero + shift), Q::set_bytes(Q::to_i32(q.low) + q.y_zero + shift),
          Q::set_bytes(shift)};
}
/// The bytes of four vectors, in the order that interleave makes; `v` are the numbers before their bounds.
MONZA_INLINE Q::I q_pack(const QBytes& to, const Q::F (&v)[4]) {
  Q::I y[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) y[k] = Q::to_i32(Q::at_most(v[k], to.high));
  const Q::I low = Q::add_words(Q::pack_words(y[0], y[1]), to.zero),
             high = Q::add_words(Q::pack_words(y[2], y[3]), to.zero);
  return Q::exclusive_or(Q::max_bytes(Q::pack_bytes(low, high), to.low), to.flip);
}

/// Numbers of the output's scale; `r_at` is the residual's address.
template <bool kPlain>
MONZA_INLINE Q::F igemm_rescale(const Igemm& job, Q::I total, Q::F m, Q::F b, const std::uint8_t* r_at, Q::Mask mask) {
  const Requantize& q = job.q;
  Q::F v = Q::fma(Q::to_f32(total), m, b);
  if constexpr (!kPlain) {
    if (job.has_mid) v = Q::rint(Q::clamp(v, Q::set(q.mid_low), Q::set(q.mid_high)));
    if (job.residual != nullptr) {
      const Q::I value = job.residual_signed ? Q::load_i8(r_at, mask) : Q::load_u8(r_at, mask);
      v = Q::fma(Q::to_f32(Q::sub(value, Q::set(q.r_zero))), Q::set(q.r_over_y), Q::mul(v, Q::set(q.first_over_y)));
    } else if (job.has_mid) {
      v = Q::mul(v, Q::set(q.first_over_y));
    }
  }
  return v;
}

/// Most accumulators of a tile: panels of four registers, six rows.
inline constexpr int kTileElements = 24 * Q::kLanes;

/// Numbers of the output's scale behind an activation that is more than bounds, in the order of the accumulators. A
/// pass of its own, so that the activations are not multiplied by the forms of the packing; a tile stays in L1.
inline __attribute__((noinline)) void igemm_activate(const Igemm& job, const IgemmTileOut& t, float* to) {
  const std::int64_t slot = t.g * job.pack.panels() * Q::kLanes + t.column;
  const Q::F rescale = Q::set(job.q.first_over_y);
  with_coarse_activation(job.act, [&](auto act) __attribute__((always_inline)) {
    for (int j = 0; j < t.panels; ++j) {
      const Q::F m = Q::load(job.m + slot + j * Q::kLanes), b = Q::load(job.b + slot + j * Q::kLanes);
      for (int r = 0; r < t.rows; ++r) {
        const int at = (r * t.panels + j) * Q::kLanes;
        const Q::F v = Q::fma(Q::to_f32(Q::load(t.acc + at)), m, b);
        Q::store(to + at, Q::mul(act(Vec{v}, Vec::zero()).v, rescale));
      }
    }
  });
}

/// Where the numbers of an 8-bit output come from. SiLU, which detectors have behind every convolution, is done on the
/// way; other activations by igemm_activate.
enum class QSource { accumulators, with_residual, silu, activated };

/// Four vectors at a time: as many rows as fill them. `activated`: igemm_activate's, or null.
template <QSource kSource, int kPanels>
inline __attribute__((noinline)) void igemm_finish_q8(const Igemm& job, const IgemmTileOut& t, const float* activated) {
  constexpr bool kPlain = kSource != QSource::with_residual;
  constexpr int kRows = kPanels >= 3 ? 1 : 4 / kPanels;
  const std::int64_t slot = t.g * job.pack.panels() * Q::kLanes + t.column, channel = t.g * job.pack.columns + t.column,
                     left = job.pack.columns - t.column;
  auto* out = reinterpret_cast<std::uint8_t*>(job.out) + t.row * job.out_pitch + channel;
  const auto* residual = reinterpret_cast<const std::uint8_t*>(job.residual);
  const std::uint8_t* add = residual == nullptr ? nullptr : residual + t.row * job.residual_pitch + channel;
  const std::int64_t r_pitch = residual == nullptr ? 0 : job.residual_pitch;
  Q::F m[kPanels], b[kPanels];
  Q::Mask mask[kPanels];
#pragma GCC unroll 4
  for (int j = 0; j < kPanels; ++j) {
    m[j] = Q::load(job.m + slot + j * Q::kLanes);
    b[j] = Q::load(job.b + slot + j * Q::kLanes);
    mask[j] = Q::mask(left - j * Q::kLanes > 0 ? left - j * Q::kLanes : 0);
  }
  const QBytes to = q_bytes(job.q, job.out_signed);
  for (int r = 0; r < t.rows; r += kRows) {
    Q::F v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if (k >= kRows * kPanels) {
        v[k] = v[0];
        continue;
      }
      const int j = k % kPanels, row = r + k / kPanels < t.rows ? r + k / kPanels : r;
      if constexpr (kSource == QSource::activated) {
        v[k] = Q::load(activated + (row * kPanels + j) * Q::kLanes);
        continue;
      }
      const Q::I total = Q::load(t.acc + (row * kPanels + j) * Q::kLanes);
      if constexpr (kSource == QSource::silu) {
        v[k] = Q::mul(coarse_silu(Vec{Q::fma(Q::to_f32(total), m[j], b[j])}).v, Q::set(job.q.first_over_y));
        continue;
      }
      v[k] = igemm_rescale<kPlain>(job, total, m[j], b[j], kPlain ? nullptr : add + row * r_pitch + j * Q::kLanes,
                                   mask[j]);
    }
    const Q::I bytes = Q::bytes_in_order(q_pack(to, v));
    std::uint8_t* y = out + r * job.out_pitch;
    Q::store_quarters<0, kPanels>(y, bytes, left);
    if constexpr (kRows >= 2) {
      if (r + 1 < t.rows) Q::store_quarters<kPanels, kPanels>(y + job.out_pitch, bytes, left);
    }
    if constexpr (kRows == 4) {
      if (r + 2 < t.rows) Q::store_quarters<2, 1>(y + 2 * job.out_pitch, bytes, left);
      if (r + 3 < t.rows) Q::store_quarters<3, 1>(y + 3 * job.out_pitch, bytes, left);
    }
  }
}
template <QSource kSource>
MONZA_INLINE void igemm_finish_panels(const Igemm& job, const IgemmTileOut& t, const float* activated = nullptr) {
  if (t.panels == 1) return igemm_finish_q8<kSource, 1>(job, t, activated);
  if (t.panels == 2) return igemm_finish_q8<kSource, 2>(job, t, activated);
  if (t.panels == 3) return igemm_finish_q8<kSource, 3>(job, t, activated);
  igemm_finish_q8<kSource, 4>(job, t, activated);
}

/// Accumulators to outputs.
MONZA_INLINE void igemm_finish(const Igemm& job, const IgemmTileOut& t) {
  switch (job.mode) {
    case IgemmOut::i32: igemm_finish_i32(job, t); break;
    case IgemmOut::f32: igemm_finish_f32(job, t); break;
    case IgemmOut::q8:
      if (job.act.kind == ActivationKind::silu) {
        igemm_finish_panels<QSource::silu>(job, t);
      } else if (!only_bounds(job.act)) {
        alignas(64) float activated[kTileElements];
        igemm_activate(job, t, activated);
        igemm_finish_panels<QSource::activated>(job, t, activated);
      } else if (job.has_mid || job.residual != nullptr) {
        igemm_finish_panels<QSource::with_residual>(job, t);
      } else {
        igemm_finish_panels<QSource::accumulators>(job, t);
      }
  }
}

}  // namespace
}  // namespace monza::ops
