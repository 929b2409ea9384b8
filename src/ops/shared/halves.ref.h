// 16-bit floats as types of their own, for references that are templates over the element type: computed on in double.
#pragma once

#include <cstdint>

#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

struct F16 {
  std::uint16_t bits;
};
struct BF16 {
  std::uint16_t bits;
};
double load(float v) { return v; }
double load(double v) { return v; }
double load(F16 v) { return f16_to_f32(v.bits); }
double load(BF16 v) { return bf16_to_f32(v.bits); }
void store(float& to, double v) { to = static_cast<float>(v); }
void store(double& to, double v) { to = v; }
void store(F16& to, double v) { to.bits = f32_to_f16(static_cast<float>(v)); }
void store(BF16& to, double v) { to.bits = f32_to_bf16(static_cast<float>(v)); }

}  // namespace
}  // namespace monza::ops
