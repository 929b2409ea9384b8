// Element types and storage encodings of tensors.
#pragma once

#include <cstdint>

namespace monza {

/// The type of a tensor's elements, or the encoding of its storage.
///
/// Numbers are part of the engine file format: append, never renumber. The block encodings
/// (q4_0 and those behind it) store several elements together with their scale; their logical elements are f32.
enum class DType : std::uint8_t {
  invalid = 0,
  f32 = 1,
  f64 = 2,
  f16 = 3,
  bf16 = 4,
  i8 = 5,
  u8 = 6,
  i16 = 7,
  u16 = 8,
  i32 = 9,
  u32 = 10,
  i64 = 11,
  u64 = 12,
  boolean = 13,
  c64 = 14,   ///< complex of two f32
  c128 = 15,  ///< complex of two f64
  string = 16,
  f8e4m3fn = 17,
  f8e4m3fnuz = 18,
  f8e5m2 = 19,
  f8e5m2fnuz = 20,
  f8e8m0 = 21,
  i4 = 22,  ///< two elements a byte, the first in the low half
  u4 = 23,
  f4e2m1 = 24,
  i2 = 25,  ///< four elements a byte, the first in the lowest bits
  u2 = 26,
  q4_0 = 27,    ///< blocks of 32: an f16 scale and 16 bytes of 4-bit values
  q8_0 = 28,    ///< blocks of 32: an f16 scale and 32 signed bytes
  handle = 29,  ///< what stands for a sequence or an optional inside a plan; no tensor has it
  // The other block encodings of GGUF; src/tensor/block_encoding.h says what each holds.
  q4_1 = 30,
  q5_0 = 31,
  q5_1 = 32,
  q2_k = 33,
  q3_k = 34,
  q4_k = 35,
  q5_k = 36,
  q6_k = 37,
  iq1_s = 38,
  iq1_m = 39,
  iq2_xxs = 40,
  iq2_xs = 41,
  iq2_s = 42,
  iq3_xxs = 43,
  iq3_s = 44,
  iq4_nl = 45,
  iq4_xs = 46,
  tq1_0 = 47,
  tq2_0 = 48,
  mxfp4 = 49,
  nvfp4 = 50,
};

}  // namespace monza
