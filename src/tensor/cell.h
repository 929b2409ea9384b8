// Elements as bits, for kernels that move them without looking inside: one type for each width, not each dtype.
#pragma once

#include <cstdint>

#include "base/macros.h"

namespace monza {

struct Bits128 {
  std::uint64_t low, high;
  friend bool operator==(const Bits128&, const Bits128&) = default;
};

/// Elements of whole bytes.
template <typename T>
struct Cell {
  using Bits = T;
  static constexpr int bits = static_cast<int>(sizeof(T) * 8);
  static MONZA_INLINE T get(const void* data, std::int64_t i) { return static_cast<const T*>(data)[i]; }
  static MONZA_INLINE void set(void* data, std::int64_t i, T value) { static_cast<T*>(data)[i] = value; }
};

/// Elements of B bits, the first in the lowest bits of its byte. Threads must not write into the same byte.
template <int B>
struct PackedCell {
  using Bits = std::uint8_t;
  static constexpr int bits = B;
  static constexpr int per_byte = 8 / B;
  static constexpr int mask = (1 << B) - 1;
  /// Byte and shift of element i; i may be negative within a view.
  static MONZA_INLINE std::int64_t byte(std::int64_t i) {
    return i >= 0 ? i / per_byte : -((-i + per_byte - 1) / per_byte);
  }
  static MONZA_INLINE int shift(std::int64_t i) { return static_cast<int>(i - byte(i) * per_byte) * B; }
  static MONZA_INLINE std::uint8_t get(const void* data, std::int64_t i) {
    return static_cast<std::uint8_t>((static_cast<const std::uint8_t*>(data)[byte(i)] >> shift(i)) & mask);
  }
  static MONZA_INLINE void set(void* data, std::int64_t i, std::uint8_t value) {
    std::uint8_t& b = static_cast<std::uint8_t*>(data)[byte(i)];
    b = static_cast<std::uint8_t>((b & ~(mask << shift(i))) | ((value & mask) << shift(i)));
  }
};

/// Calls f(cell) with the cell type of that many bits; false for a width that no cell has.
template <typename F>
bool with_cell(int bits, F&& f) {
  switch (bits) {
    case 2: f(PackedCell<2>{}); return true;
    case 4: f(PackedCell<4>{}); return true;
    case 8: f(Cell<std::uint8_t>{}); return true;
    case 16: f(Cell<std::uint16_t>{}); return true;
    case 32: f(Cell<std::uint32_t>{}); return true;
    case 64: f(Cell<std::uint64_t>{}); return true;
    case 128: f(Cell<Bits128>{}); return true;
    default: return false;
  }
}

}  // namespace monza
