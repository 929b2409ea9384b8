// Integer arithmetic on sizes that come from files: every overflow is an error.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace monza {

/// a * b, or an Error naming `what`.
inline std::int64_t checked_mul(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t r;
  if (__builtin_mul_overflow(a, b, &r)) fail("{} overflows 64 bits: {} * {}", what, a, b);
  return r;
}

/// a + b, or an Error naming `what`.
inline std::int64_t checked_add(std::int64_t a, std::int64_t b, const char* what) {
  std::int64_t r;
  if (__builtin_add_overflow(a, b, &r)) fail("{} overflows 64 bits: {} + {}", what, a, b);
  return r;
}

/// Rounds up to a multiple of `unit` (a power of two), or an Error naming `what`.
inline std::int64_t checked_round_up(std::int64_t a, std::int64_t unit, const char* what) {
  return checked_add(a, unit - 1, what) & ~(unit - 1);
}

}  // namespace monza
