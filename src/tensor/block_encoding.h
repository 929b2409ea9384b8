// Block encodings: several elements of a row stored together with what they share, a scale and the like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "monza/dtype.h"

namespace monza {

/// What storage and products know of an encoding. A new one is a number in DType, a row of the table in
/// dtype.cpp, and its decoder.
struct BlockEncoding {
  int elements = 0;  ///< of a block, along the last axis; rows end with whole blocks
  int bytes = 0;
  /// Writes the block's elements, all of them.
  void (*decode)(const std::byte* block, float* elements) = nullptr;
};
/// The most elements that a block has: room for what decode() writes.
inline constexpr int kMostBlockElements = 256;

/// Throws Error for other types.
const BlockEncoding& block_encoding(DType type);
/// All there are.
std::vector<DType> block_encodings();

/// Bytes of a row of n elements.
std::int64_t block_row_bytes(const BlockEncoding& encoding, std::int64_t n);

// The decoders. All formats are those of GGUF, little-endian.

/// 32 elements: scale d (f16), 16 bytes. Element i < 16 is the low half of byte i, i + 16 the high one: d (q - 8).
void decode_q4_0(const std::byte* block, float* elements);
/// 32 elements: scale d (f16), 32 signed bytes: d q.
void decode_q8_0(const std::byte* block, float* elements);

}  // namespace monza
