// Reading the quantisation operands of QConv and QMatMul (see QInput) at run time.
#pragma once

#include "ops/shared/requantize.params.h"
#include "tensor/float_convert.h"
#include "tensor/view.h"

namespace monza {

/// Element `at` of a tensor of u8 or i8.
MONZA_INLINE std::int32_t byte_element(const TensorView& v, std::int64_t at) {
  return v.dtype == DType::u8 ? v.as<std::uint8_t>()[at] : v.as<std::int8_t>()[at];
}

/// The operands of one node as they lie in memory: dense, one element or one an output channel.
struct QOperands {
  const TensorView* in;
  int count;
  MONZA_INLINE bool has(int i) const { return i < count && in[i].present(); }
  /// Element n of a scale (or its only one).
  MONZA_INLINE float scale(int i, std::int64_t n) const {
    const TensorView& v = in[i];
    if (v.shape.numel() == 1) n = 0;
    if (v.dtype == DType::f32) return v.as<float>()[n];
    return v.dtype == DType::f16 ? f16_to_f32(v.as<std::uint16_t>()[n]) : bf16_to_f32(v.as<std::uint16_t>()[n]);
  }
  /// Element n of an 8-bit tensor (or its only one); 0 when it is absent.
  MONZA_INLINE std::int32_t zero(int i, std::int64_t n) const {
    if (!has(i)) return 0;
    const TensorView& v = in[i];
    if (v.shape.numel() == 1) n = 0;
    return byte_element(v, n);
  }
  MONZA_INLINE bool integer_bias() const { return has(QInput::bias) && in[QInput::bias].dtype == DType::i32; }
  /// The part of the bias that the accumulator starts with.
  MONZA_INLINE std::int32_t bias_i32(std::int64_t n) const {
    if (!integer_bias()) return 0;
    return in[QInput::bias].as<std::int32_t>()[in[QInput::bias].shape.numel() == 1 ? 0 : n];
  }
  /// The part of the bias that is a real number.
  MONZA_INLINE float bias_f32(std::int64_t n) const {
    if (!has(QInput::bias) || integer_bias()) return 0;
    return in[QInput::bias].as<float>()[in[QInput::bias].shape.numel() == 1 ? 0 : n];
  }
  /// What one unit of the accumulator of channel n is worth.
  MONZA_INLINE float unit(std::int64_t n) const { return scale(QInput::x_scale, 0) * scale(QInput::w_scale, n); }
  /// The factors of a quantised output.
  MONZA_INLINE Requantize requantize(const Activation& act, DType out) const {
    const float y_scale = scale(QInput::y_scale, 0);
    Requantize q = requantize_of(act, y_scale, zero(QInput::y_zero, 0), out == DType::i8);
    if (has(QInput::mid_scale)) {
      const bool mid_signed = has(QInput::mid_zero) && in[QInput::mid_zero].dtype == DType::i8;
      requantize_mid(q, scale(QInput::mid_scale, 0), zero(QInput::mid_zero, 0), mid_signed, y_scale);
    }
    if (has(QInput::residual) && has(QInput::r_scale)) {
      q.r_over_y = scale(QInput::r_scale, 0) / y_scale;
      q.r_zero = zero(QInput::r_zero, 0);
    }
    return q;
  }
};

/// The output of one accumulator, one element at a time: what references compute.
struct QFinish {
  QOperands operands;
  Activation act;
  bool residual_after;
  bool quantized;
  Requantize q;
  QFinish(const TensorView* in, int count, const TensorView& out, const Activation& a, bool after)
      : operands{in, count}, act(a), residual_after(after), quantized(operands.has(QInput::y_scale)) {
    if (quantized) q = operands.requantize(act, out.dtype);
  }
  /// Writes element `offset` of the output; `residual_at` is the offset of its residual.
  void store(const TensorView& out, std::int64_t offset, std::uint32_t acc_bits, std::int64_t n,
             std::int64_t residual_at) const;
};

}  // namespace monza
