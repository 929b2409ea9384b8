#include "tensor/float_convert.h"

#include <bit>
#include <cmath>
#include <limits>

namespace monza {
namespace {

/// A binary float format of at most 8 bits; `fnuz`: no negative zero (its code is NaN) and no infinity.
struct SmallFormat {
  int exponent_bits, mantissa_bits, bias;
  bool has_infinity;
  bool fnuz;
  float largest;
};
constexpr SmallFormat format_of(DType type) {
  switch (type) {
    case DType::f8e4m3fn: return {4, 3, 7, false, false, 448.f};
    case DType::f8e4m3fnuz: return {4, 3, 8, false, true, 240.f};
    case DType::f8e5m2: return {5, 2, 15, true, false, 57344.f};
    case DType::f8e5m2fnuz: return {5, 2, 16, false, true, 57344.f};
    default: return {2, 1, 1, false, false, 6.f};  // f4e2m1: no NaN, no infinity
  }
}
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

}  // namespace

float f16_to_f32(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1f, mantissa = h & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0)
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * 0x1p-24f));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (x >> 16) & 0x8000u, a = x & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x3ff));
  if (a >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // rounds to 65536 or more
  if (a < 0x38800000u) {                                                    // subnormal: let f32 addition round
    const float f = std::bit_cast<float>(a) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(f) - 0x3f000000u));
  }
  return static_cast<std::uint16_t>(sign | ((a - 0x38000000u + 0xfff + ((a >> 13) & 1)) >> 13));
}

float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
  if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((x >> 16) | 0x40);
  return static_cast<std::uint16_t>((x + 0x7fff + ((x >> 16) & 1)) >> 16);
}

double largest_finite(DType type) {
  switch (type) {
    case DType::f64: return std::numeric_limits<double>::max();
    case DType::f16: return f16_to_f32(0x7bff);
    case DType::bf16: return bf16_to_f32(0x7f7f);
    default: return std::numeric_limits<float>::max();
  }
}

float small_float_to_f32(DType type, std::uint8_t bits) {
  if (type == DType::f8e8m0) return bits == 0xff ? kNaN : std::ldexp(1.f, static_cast<int>(bits) - 127);
  const SmallFormat f = format_of(type);
  const int width = 1 + f.exponent_bits + f.mantissa_bits;
  const std::uint32_t magnitude = bits & ((1u << (width - 1)) - 1);
  const float sign = ((bits >> (width - 1)) & 1) ? -1.f : 1.f;
  const std::uint32_t exponent = magnitude >> f.mantissa_bits, mantissa = magnitude & ((1u << f.mantissa_bits) - 1);
  if (f.fnuz && magnitude == 0 && sign < 0) return kNaN;
  if (type == DType::f8e4m3fn && magnitude == 0x7f) return kNaN;
  if (f.has_infinity && exponent == 0x1f) return mantissa == 0 ? sign * std::numeric_limits<float>::infinity() : kNaN;
  const float scale = static_cast<float>(1u << f.mantissa_bits);
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa) / scale, 1 - f.bias);
  return sign * std::ldexp(1.f + static_cast<float>(mantissa) / scale, static_cast<int>(exponent) - f.bias);
}

std::uint8_t f32_to_small_float(DType type, float value, bool saturate) {
  if (type == DType::f8e8m0) {
    // A power of two; ONNX rounds up by default, that is for the caller to prepare: this rounds to nearest.
    if (std::isnan(value)) return 0xff;
    if (std::isinf(value)) return saturate ? 0xfe : 0xff;
    int exponent;
    const float m = std::frexp(std::fabs(value), &exponent);  // in [0.5, 1)
    const int e = value == 0 ? -127 : exponent - 1 + (m >= 0.75f ? 1 : 0);
    if (e > 127) return saturate ? 0xfe : 0xff;
    return static_cast<std::uint8_t>(e < -127 ? 0 : e + 127);
  }
  const SmallFormat f = format_of(type);
  const int width = 1 + f.exponent_bits + f.mantissa_bits;
  const std::uint8_t sign = std::signbit(value) ? static_cast<std::uint8_t>(1u << (width - 1)) : 0;
  const std::uint8_t nan = f.fnuz                  ? 0x80
                           : type == DType::f4e2m1 ? 0x08 /* minus zero, as ONNX makes it */
                                                   : static_cast<std::uint8_t>(sign | 0x7f);
  if (std::isnan(value)) return nan;
  const float a = std::fabs(value);
  // Steps of the format at this magnitude, rounded to nearest even by nearbyint.
  int exponent = 0;
  if (a > 0 && !std::isinf(a)) std::frexp(a, &exponent);
  const int e = std::isinf(a) ? 1000 : std::max(exponent - 1, 1 - f.bias);
  const float step = std::isinf(a) ? 1.f : std::ldexp(1.f, e - f.mantissa_bits);
  const float rounded = std::isinf(a) ? a : std::nearbyint(a / step) * step;
  if (rounded > f.largest) {
    if (saturate || type == DType::f4e2m1) {
      if (f.has_infinity || f.fnuz || type == DType::f8e4m3fn || type == DType::f4e2m1)
        return static_cast<std::uint8_t>(sign | f32_to_small_float(type, f.largest, true));
    }
    return f.has_infinity ? static_cast<std::uint8_t>(sign | 0x7c) : nan;
  }
  if (rounded == 0) return f.fnuz ? 0 : sign;
  int re;
  std::frexp(rounded, &re);
  const int biased = re - 1 + f.bias;
  if (biased <= 0)
    return static_cast<std::uint8_t>(
        sign | static_cast<std::uint8_t>(std::lround(std::ldexp(rounded, f.bias - 1 + f.mantissa_bits))));
  const float mantissa = std::ldexp(rounded, 1 - re) - 1.f;
  return static_cast<std::uint8_t>(
      sign | (biased << f.mantissa_bits) |
      static_cast<std::uint8_t>(std::lround(mantissa * static_cast<float>(1u << f.mantissa_bits))));
}

}  // namespace monza
