#include "tensor/element.h"

#include <cmath>

#include "tensor/cell.h"
#include "tensor/float_convert.h"

namespace monza {
namespace {

/// Truncates toward zero; values beyond 64 bits (and NaN) become what x86 makes of them: the lowest integer.
std::int64_t truncate(double v) {
  if (v >= -9223372036854775808.0 && v < 9223372036854775808.0) return static_cast<std::int64_t>(v);
  return INT64_MIN;
}
/// The same in 32 bits, which is how x86 converts to what is narrower too.
std::int64_t truncate32(double v) {
  return v > -2147483649.0 && v < 2147483648.0 ? static_cast<std::int64_t>(v) : INT32_MIN;
}

template <typename T>
struct Integer {
  static double load(const void* p, std::int64_t i) { return static_cast<double>(static_cast<const T*>(p)[i]); }
  static void store(void* p, std::int64_t i, double v) {
    if constexpr (sizeof(T) == 8 && T(-1) > T(0)) {
      if (v >= 9223372036854775808.0) {
        static_cast<T*>(p)[i] = v < 18446744073709551616.0 ? static_cast<T>(v) : T(0);
        return;
      }
    }
    constexpr bool kIn32Bits = sizeof(T) < 4 || (sizeof(T) == 4 && T(-1) < T(0));
    static_cast<T*>(p)[i] = static_cast<T>(kIn32Bits ? truncate32(v) : truncate(v));
  }
  static std::int64_t load_int(const void* p, std::int64_t i) {
    return static_cast<std::int64_t>(static_cast<const T*>(p)[i]);
  }
  static void store_int(void* p, std::int64_t i, std::int64_t v) { static_cast<T*>(p)[i] = static_cast<T>(v); }
};

struct Boolean {
  static double load(const void* p, std::int64_t i) { return static_cast<const std::uint8_t*>(p)[i] != 0; }
  static void store(void* p, std::int64_t i, double v) { static_cast<std::uint8_t*>(p)[i] = v != 0; }
  static std::int64_t load_int(const void* p, std::int64_t i) { return static_cast<const std::uint8_t*>(p)[i] != 0; }
  static void store_int(void* p, std::int64_t i, std::int64_t v) { static_cast<std::uint8_t*>(p)[i] = v != 0; }
};

/// A float type from its load and store: integers go through double, which is exact for what the type can hold.
template <double (*Load)(const void*, std::int64_t), void (*Store)(void*, std::int64_t, double)>
struct Float {
  static double load(const void* p, std::int64_t i) { return Load(p, i); }
  static void store(void* p, std::int64_t i, double v) { Store(p, i, v); }
  static std::int64_t load_int(const void* p, std::int64_t i) { return truncate(Load(p, i)); }
  static void store_int(void* p, std::int64_t i, std::int64_t v) { Store(p, i, static_cast<double>(v)); }
};

/// Bits-wide integers, the first in the lowest bits of a byte.
template <int Bits, bool Signed>
struct SubByte {
  using Cells = PackedCell<Bits>;
  static unsigned bits(const void* p, std::int64_t i) { return Cells::get(p, i); }
  static void set_bits(void* p, std::int64_t i, unsigned v) { Cells::set(p, i, static_cast<std::uint8_t>(v)); }
  static std::int64_t load_int(const void* p, std::int64_t i) {
    const unsigned v = bits(p, i);
    return Signed && (v >> (Bits - 1)) ? static_cast<std::int64_t>(v) - (1 << Bits) : static_cast<std::int64_t>(v);
  }
  static double load(const void* p, std::int64_t i) { return static_cast<double>(load_int(p, i)); }
  static void store_int(void* p, std::int64_t i, std::int64_t v) { set_bits(p, i, static_cast<unsigned>(v)); }
  static void store(void* p, std::int64_t i, double v) { store_int(p, i, truncate32(v)); }
};

/// A double rounded to f32 so that a second rounding, to a format of at most 22 bits of significand, gives what one
/// rounding of the double would: rounding to odd.
float round_to_odd(double v) {
  const float f = static_cast<float>(v);
  if (static_cast<double>(f) == v || std::isnan(v) || std::isinf(f)) return f;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &f, 4);
  if (bits & 1) return f;
  const bool too_large = std::fabs(static_cast<double>(f)) > std::fabs(v);
  bits = too_large ? bits - 1 : bits + 1;
  float odd;
  __builtin_memcpy(&odd, &bits, 4);
  return odd;
}

double load_f32(const void* p, std::int64_t i) { return static_cast<const float*>(p)[i]; }
void store_f32(void* p, std::int64_t i, double v) { static_cast<float*>(p)[i] = static_cast<float>(v); }
double load_f64(const void* p, std::int64_t i) { return static_cast<const double*>(p)[i]; }
void store_f64(void* p, std::int64_t i, double v) { static_cast<double*>(p)[i] = v; }
double load_f16(const void* p, std::int64_t i) { return f16_to_f32(static_cast<const std::uint16_t*>(p)[i]); }
void store_f16(void* p, std::int64_t i, double v) { static_cast<std::uint16_t*>(p)[i] = f32_to_f16(round_to_odd(v)); }
double load_bf16(const void* p, std::int64_t i) { return bf16_to_f32(static_cast<const std::uint16_t*>(p)[i]); }
void store_bf16(void* p, std::int64_t i, double v) { static_cast<std::uint16_t*>(p)[i] = f32_to_bf16(round_to_odd(v)); }
template <DType D>
double load_f8(const void* p, std::int64_t i) {
  return small_float_to_f32(D, static_cast<const std::uint8_t*>(p)[i]);
}
template <DType D>
void store_f8(void* p, std::int64_t i, double v) {
  static_cast<std::uint8_t*>(p)[i] = f32_to_small_float(D, round_to_odd(v));
}
double load_f4(const void* p, std::int64_t i) {
  return small_float_to_f32(DType::f4e2m1, static_cast<std::uint8_t>(SubByte<4, false>::bits(p, i)));
}
void store_f4(void* p, std::int64_t i, double v) {
  SubByte<4, false>::set_bits(p, i, f32_to_small_float(DType::f4e2m1, round_to_odd(v)));
}

template <typename A>
constexpr ElementAccess access_of() {
  return {A::load, A::store, A::load_int, A::store_int};
}

}  // namespace

const ElementAccess& element_access(DType type) {
  static constexpr ElementAccess kNone{};
  static constexpr ElementAccess kTable[] = {
      /*invalid*/ {},
      access_of<Float<load_f32, store_f32>>(),
      access_of<Float<load_f64, store_f64>>(),
      access_of<Float<load_f16, store_f16>>(),
      access_of<Float<load_bf16, store_bf16>>(),
      access_of<Integer<std::int8_t>>(),
      access_of<Integer<std::uint8_t>>(),
      access_of<Integer<std::int16_t>>(),
      access_of<Integer<std::uint16_t>>(),
      access_of<Integer<std::int32_t>>(),
      access_of<Integer<std::uint32_t>>(),
      access_of<Integer<std::int64_t>>(),
      access_of<Integer<std::uint64_t>>(),
      access_of<Boolean>(),
      /*c64*/ {},
      /*c128*/ {},
      /*string*/ {},
      access_of<Float<load_f8<DType::f8e4m3fn>, store_f8<DType::f8e4m3fn>>>(),
      access_of<Float<load_f8<DType::f8e4m3fnuz>, store_f8<DType::f8e4m3fnuz>>>(),
      access_of<Float<load_f8<DType::f8e5m2>, store_f8<DType::f8e5m2>>>(),
      access_of<Float<load_f8<DType::f8e5m2fnuz>, store_f8<DType::f8e5m2fnuz>>>(),
      access_of<Float<load_f8<DType::f8e8m0>, store_f8<DType::f8e8m0>>>(),
      access_of<SubByte<4, true>>(),
      access_of<SubByte<4, false>>(),
      access_of<Float<load_f4, store_f4>>(),
      access_of<SubByte<2, true>>(),
      access_of<SubByte<2, false>>(),
  };
  const auto i = static_cast<std::size_t>(type);
  return i < sizeof(kTable) / sizeof(kTable[0]) ? kTable[i] : kNone;
}

}  // namespace monza
