// Narrow floats, exhaustively: every code is decoded by the formula of its format, and every place where
// rounding changes its mind (each value, each midpoint, and the f32 neighbours of both) is encoded. Rounding is
// monotonic, so this covers all of f32.
#include "tensor/float_convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <vector>

namespace monza {
namespace {

constexpr float kInfinity = INFINITY;

struct Format {
  const char* name;
  int exponent_bits, mantissa_bits, bias;
  std::function<float(std::uint32_t)> decode;
  std::function<std::uint32_t(float)> encode;
  bool has_infinity = false, negative_zero = true;
  int width() const { return 1 + exponent_bits + mantissa_bits; }
};

/// The value of a finite code by its definition: independent of the code under test.
double formula(const Format& f, std::uint32_t code) {
  const std::uint32_t mantissa = code & ((1u << f.mantissa_bits) - 1);
  const int exponent = static_cast<int>(code >> f.mantissa_bits & ((1u << f.exponent_bits) - 1));
  const double sign = code >> (f.width() - 1) & 1 ? -1 : 1;
  const double fraction = std::ldexp(static_cast<double>(mantissa), -f.mantissa_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - f.bias) : std::ldexp(1 + fraction, exponent - f.bias));
}

Format small(DType type, const char* name, int exponent, int mantissa, int bias, bool infinity, bool negative_zero) {
  return {name,
          exponent,
          mantissa,
          bias,
          [type](std::uint32_t c) { return small_float_to_f32(type, static_cast<std::uint8_t>(c)); },
          [type](float v) { return std::uint32_t{f32_to_small_float(type, v)}; },
          infinity,
          negative_zero};
}

std::vector<Format> formats() {
  return {{"f16", 5, 10, 15, [](std::uint32_t c) { return f16_to_f32(static_cast<std::uint16_t>(c)); },
           [](float v) { return std::uint32_t{f32_to_f16(v)}; }, true, true},
          {"bf16", 8, 7, 127, [](std::uint32_t c) { return bf16_to_f32(static_cast<std::uint16_t>(c)); },
           [](float v) { return std::uint32_t{f32_to_bf16(v)}; }, true, true},
          small(DType::f8e4m3fn, "f8e4m3fn", 4, 3, 7, false, true),
          small(DType::f8e4m3fnuz, "f8e4m3fnuz", 4, 3, 8, false, false),
          small(DType::f8e5m2, "f8e5m2", 5, 2, 15, true, true),
          small(DType::f8e5m2fnuz, "f8e5m2fnuz", 5, 2, 16, false, false),
          small(DType::f4e2m1, "f4e2m1", 2, 1, 1, false, true)};
}

/// The finite, non-negative codes in ascending order of value: 0, 1, 2, ... up to the largest.
std::uint32_t largest_code(const Format& f) {
  std::uint32_t last = (1u << (f.width() - 1)) - 1;
  if (f.has_infinity) return (((1u << f.exponent_bits) - 1) << f.mantissa_bits) - 1;
  if (std::string_view(f.name) == "f8e4m3fn") --last;  // the last one is NaN
  return last;
}

TEST(FloatConvert, EveryCodeDecodesByItsFormula) {
  for (const Format& f : formats()) {
    const std::uint32_t sign = 1u << (f.width() - 1), last = largest_code(f);
    for (std::uint32_t magnitude = 0; magnitude < sign; ++magnitude)
      for (std::uint32_t code : {magnitude, magnitude | sign}) {
        const float v = f.decode(code);
        if (magnitude == 0 && code != 0 && !f.negative_zero) {
          EXPECT_TRUE(std::isnan(v)) << f.name << " " << code;  // fnuz: the code of minus zero is NaN
        } else if (magnitude <= last) {
          ASSERT_EQ(static_cast<double>(v), formula(f, code)) << f.name << " " << code;
          ASSERT_EQ(std::signbit(v), code >= sign) << f.name << " " << code;
        } else if (f.has_infinity && magnitude == last + 1) {
          EXPECT_EQ(v, code >= sign ? -kInfinity : kInfinity) << f.name << " " << code;
        } else {
          EXPECT_TRUE(std::isnan(v)) << f.name << " " << code;
        }
      }
  }
}

TEST(FloatConvert, EveryRoundingBoundary) {
  for (const Format& f : formats()) {
    const std::uint32_t sign = 1u << (f.width() - 1), last = largest_code(f);
    for (std::uint32_t code = 0; code < last; ++code) {
      const double low = formula(f, code), high = formula(f, code + 1);
      const float middle = static_cast<float>((low + high) / 2);
      ASSERT_EQ(static_cast<double>(middle), (low + high) / 2) << "midpoints must be f32";
      const std::uint32_t even = code % 2 == 0 ? code : code + 1;
      const std::map<float, std::uint32_t> expected = {{static_cast<float>(low), code},
                                                       {std::nextafter(static_cast<float>(low), kInfinity), code},
                                                       {std::nextafter(middle, 0.0f), code},
                                                       {middle, even},
                                                       {std::nextafter(middle, kInfinity), code + 1},
                                                       {std::nextafter(static_cast<float>(high), 0.0f), code + 1}};
      for (const auto& [value, want] : expected) {
        // Where f32 itself has no room between the value and the midpoint, the neighbours fall on either.
        if (value > low && value < high && (value == middle ? want != even : (value < middle) != (want == code)))
          continue;
        ASSERT_EQ(f.encode(value), want) << f.name << ": " << value;
        const std::uint32_t negative = want == 0 && !f.negative_zero ? 0 : want | sign;
        ASSERT_EQ(f.encode(-value), negative) << f.name << ": " << -value;
      }
    }
    EXPECT_EQ(f.encode(f.decode(last)), last) << f.name;
  }
}

TEST(FloatConvert, BeyondTheLargest) {
  // f16 and bf16 go to infinity at half a step above the largest; the 8-bit ones saturate unless told not to.
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-kInfinity), 0xfc00);
  EXPECT_EQ(f32_to_bf16(kInfinity), 0x7f80);
  EXPECT_EQ(f32_to_bf16(3.4028235e38f), 0x7f80);
  const struct {
    DType type;
    std::uint8_t largest, beyond;
  } cases[] = {{DType::f8e4m3fn, 0x7e, 0x7f},
               {DType::f8e4m3fnuz, 0x7f, 0x80},
               {DType::f8e5m2, 0x7b, 0x7c},
               {DType::f8e5m2fnuz, 0x7f, 0x80}};
  for (const auto& c : cases)
    for (float v : {1e30f, kInfinity}) {
      EXPECT_EQ(f32_to_small_float(c.type, v, true), c.largest);
      EXPECT_EQ(f32_to_small_float(c.type, v, false), c.beyond);
      EXPECT_EQ(f32_to_small_float(c.type, -v, true), c.largest | 0x80);
    }
  EXPECT_EQ(f32_to_small_float(DType::f4e2m1, 100, false), 7);  // f4 has nothing but numbers
  EXPECT_EQ(f32_to_small_float(DType::f4e2m1, -100), 15);
}

TEST(FloatConvert, NaNStaysNaN) {
  const float nan = std::nanf("");
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(nan))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
  // A NaN whose payload lies in bits that are cut off must not become infinity.
  const float low_payload = std::bit_cast<float>(0x7f800001u);
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(low_payload))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(low_payload))));
  for (DType t : {DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::f8e8m0})
    EXPECT_TRUE(std::isnan(small_float_to_f32(t, f32_to_small_float(t, nan)))) << static_cast<int>(t);
}

TEST(FloatConvert, E8m0HoldsPowersOfTwo) {
  for (int code = 0; code < 255; ++code) {
    const float v = small_float_to_f32(DType::f8e8m0, static_cast<std::uint8_t>(code));
    EXPECT_EQ(v, std::ldexp(1.0f, code - 127));
    EXPECT_EQ(f32_to_small_float(DType::f8e8m0, v), code);
  }
  EXPECT_TRUE(std::isnan(small_float_to_f32(DType::f8e8m0, 255)));
}

}  // namespace
}  // namespace monza
