// Conversions between f32 and the narrower floats, bit-exact, round to nearest even.
// ISA files use these only through vector instructions of their own.
#pragma once

#include <cstdint>

#include "monza/dtype.h"

namespace monza {

float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);
/// The largest finite number of f64, f32, f16 or bf16.
double largest_finite(DType type);
/// The 8- and 4-bit floats of ONNX (f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, f8e8m0, f4e2m1).
float small_float_to_f32(DType type, std::uint8_t bits);
/// `saturate`: values out of range become the largest finite one, else NaN or infinity as ONNX's Cast says.
std::uint8_t f32_to_small_float(DType type, float value, bool saturate = true);

}  // namespace monza
