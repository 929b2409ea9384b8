// Elements one at a time, of every plain type: what references and constant readers use. Not for fast kernels.
#pragma once

#include <cstdint>

#include "monza/dtype.h"

namespace monza {

/// How to read and write element `index` of a buffer, sub-byte types included (index counts elements).
/// Writing sub-byte elements changes a whole byte: threads must not share one.
struct ElementAccess {
  double (*load)(const void* data, std::int64_t index) = nullptr;
  /// Rounds to nearest even; floats overflow to infinity, f8 and f4 saturate, boolean is value != 0. Integers truncate,
  /// and what x86 makes of a number beyond them: i32 and i64 their lowest, others the low bits of that conversion.
  void (*store)(void* data, std::int64_t index, double value) = nullptr;
  /// Integers and booleans exactly (u64 as its bits); floats truncated.
  std::int64_t (*load_int)(const void* data, std::int64_t index) = nullptr;
  /// Integers keep their low bits; boolean is value != 0; floats round to nearest even.
  void (*store_int)(void* data, std::int64_t index, std::int64_t value) = nullptr;
};

/// The accessors of a type; all null for strings, complex numbers, block encodings and invalid.
const ElementAccess& element_access(DType type);

}  // namespace monza
