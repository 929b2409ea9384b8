// Elements whose type the launch names: for work whose types vary more than its time matters. Floats are computed in
// double, integers and booleans in 64 bits, as the references do.
#pragma once

#include <cmath>

#include "ops/shared/gpu.cuh"

namespace monza::gpu {

__device__ inline double load_float(const void* p, DType type, std::int64_t i) {
  switch (type) {
    case DType::f32: return static_cast<const float*>(p)[i];
    case DType::f64: return static_cast<const double*>(p)[i];
    case DType::f16: return __half2float(static_cast<const __half*>(p)[i]);
    default: return __bfloat162float(static_cast<const __nv_bfloat16*>(p)[i]);
  }
}
__device__ inline std::int64_t load_integer(const void* p, DType type, std::int64_t i) {
  switch (type) {
    case DType::boolean: return static_cast<const std::uint8_t*>(p)[i] != 0;
    case DType::u8: return static_cast<const std::uint8_t*>(p)[i];
    case DType::i8: return static_cast<const std::int8_t*>(p)[i];
    case DType::u16: return static_cast<const std::uint16_t*>(p)[i];
    case DType::i16: return static_cast<const std::int16_t*>(p)[i];
    case DType::u32: return static_cast<const std::uint32_t*>(p)[i];
    case DType::i32: return static_cast<const std::int32_t*>(p)[i];
    default: return static_cast<const std::int64_t*>(p)[i];
  }
}
/// Rounds once: a double to f32 by rounding to odd, which the second rounding to fewer bits cannot tell from the
/// number.
__device__ inline float to_odd(double v) {
  const float f = static_cast<float>(v);
  if (static_cast<double>(f) == v || isnan(v) || isinf(f)) return f;
  const std::uint32_t bits = __float_as_uint(f);
  if (bits & 1) return f;
  return __uint_as_float(fabs(static_cast<double>(f)) > fabs(v) ? bits - 1 : bits + 1);
}
__device__ inline void store_float(void* p, DType type, std::int64_t i, double v) {
  switch (type) {
    case DType::f32: static_cast<float*>(p)[i] = static_cast<float>(v); return;
    case DType::f64: static_cast<double*>(p)[i] = v; return;
    case DType::f16: static_cast<__half*>(p)[i] = __float2half_rn(to_odd(v)); return;
    default: static_cast<__nv_bfloat16*>(p)[i] = __float2bfloat16_rn(to_odd(v)); return;
  }
}
__device__ inline void store_integer(void* p, DType type, std::int64_t i, std::int64_t v) {
  switch (type) {
    case DType::boolean: static_cast<std::uint8_t*>(p)[i] = v != 0; return;
    case DType::u8:
    case DType::i8: static_cast<std::uint8_t*>(p)[i] = static_cast<std::uint8_t>(v); return;
    case DType::u16:
    case DType::i16: static_cast<std::uint16_t*>(p)[i] = static_cast<std::uint16_t>(v); return;
    case DType::u32:
    case DType::i32: static_cast<std::uint32_t*>(p)[i] = static_cast<std::uint32_t>(v); return;
    default: static_cast<std::int64_t*>(p)[i] = v; return;
  }
}
/// Towards zero; what does not fit is the lowest integer of 32 bits, for narrow types, or of 64 (docs/numerics.md).
__device__ inline std::int64_t truncate(double v, DType type) {
  const bool wide = type == DType::i64 || type == DType::u64 || type == DType::u32;
  if (type == DType::u64 && v >= 0x1p63)
    return v < 0x1p64 ? static_cast<std::int64_t>(static_cast<std::uint64_t>(v)) : 0;
  if (wide) return v >= -0x1p63 && v < 0x1p63 ? static_cast<std::int64_t>(v) : INT64_MIN;
  return v > -2147483649.0 && v < 2147483648.0 ? static_cast<std::int64_t>(v) : INT32_MIN;
}
__host__ __device__ inline bool is_unsigned(DType t) {
  return t == DType::u8 || t == DType::u16 || t == DType::u32 || t == DType::u64;
}
__host__ __device__ inline bool integral(DType t) { return t == DType::boolean || (t >= DType::i8 && t <= DType::u64); }

/// Any number as a double, and back as the references store one.
__device__ inline double load_number(const void* p, DType type, std::int64_t i) {
  if (!integral(type)) return load_float(p, type, i);
  const std::int64_t v = load_integer(p, type, i);
  return type == DType::u64 ? static_cast<double>(static_cast<std::uint64_t>(v)) : static_cast<double>(v);
}
__device__ inline void store_number(void* p, DType type, std::int64_t i, double v) {
  if (type == DType::boolean) static_cast<std::uint8_t*>(p)[i] = v != 0;
  else if (integral(type)) store_integer(p, type, i, truncate(v, type));
  else store_float(p, type, i, v);
}
/// A number that is the larger the larger an element is; of a NaN, the largest there is.
__device__ inline std::uint64_t order_of(const void* p, DType type, std::int64_t i) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  if (integral(type)) return static_cast<std::uint64_t>(load_integer(p, type, i)) ^ (type == DType::u64 ? 0 : kSign);
  const double v = load_float(p, type, i) + 0.0;  // -0 becomes 0
  if (v != v) return ~std::uint64_t{0};
  const auto bits = static_cast<std::uint64_t>(__double_as_longlong(v));
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

}  // namespace monza::gpu
