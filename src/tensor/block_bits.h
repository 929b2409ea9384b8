// What the decoders of block encodings read with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/float_convert.h"

namespace monza::blocks {

inline int byte_at(const std::byte* p, int i) { return std::to_integer<int>(p[i]); }
inline int signed_at(const std::byte* p, int i) { return static_cast<std::int8_t>(p[i]); }
template <typename T>
T read_at(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
inline float f16_at(const std::byte* p) { return f16_to_f32(read_at<std::uint16_t>(p)); }
/// 0 or 1: bit i of a row of bits.
inline int bit_at(const std::byte* p, int i) { return byte_at(p, i / 8) >> (i % 8) & 1; }

/// The levels of iq4_nl and iq4_xs.
inline constexpr float kUnevenLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace monza::blocks
