// Facts about element types: names, sizes, families. See include/monza/dtype.h for the list.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/macros.h"
#include "monza/dtype.h"

namespace monza {

/// "f32", "i4", "q8_0", ...: as the text form of the graph spells it.
std::string_view dtype_name(DType type);
/// The inverse of dtype_name; DType::invalid for an unknown name.
DType parse_dtype(std::string_view name);

/// Bits of one element for plain types; 0 for block encodings. A string's element is a handle of 128 bits.
int dtype_bits(DType type);
bool is_float(DType type);    ///< f16, bf16, f32, f64 and the 8- and 4-bit floats
bool is_integer(DType type);  ///< signed and unsigned integers of every width; not boolean
bool is_signed(DType type);
bool is_block_encoding(DType type);

/// The DType of a C++ type.
template <typename T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<std::int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<std::int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct dtype_of<std::uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<std::uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::boolean;
};

}  // namespace monza
