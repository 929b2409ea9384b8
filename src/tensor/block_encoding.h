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

// The decoders. All formats are those of GGUF, little-endian; d and m are f16 unless said otherwise, q an element's
// bits. "In halves": byte i of n has element i in its low bits and element n + i in its high ones.

// Blocks of 32 elements (block_encoding.cpp).
void decode_q4_0(const std::byte* block, float* elements);    ///< d, 4 bits in halves: d (q - 8)
void decode_q4_1(const std::byte* block, float* elements);    ///< d, m, 4 bits in halves: d q + m
void decode_q5_0(const std::byte* block, float* elements);    ///< d, 32 fifth bits, 4 bits in halves: d (q - 16)
void decode_q5_1(const std::byte* block, float* elements);    ///< d, m, fifth bits, 4 bits in halves: d q + m
void decode_q8_0(const std::byte* block, float* elements);    ///< d, signed bytes: d q
void decode_iq4_nl(const std::byte* block, float* elements);  ///< d, 4 bits in halves: d times an entry of 16 levels
void decode_mxfp4(const std::byte* block, float* elements);   ///< d as e8m0, f4e2m1 in halves: d q
/// 64 elements: four d as unsigned e4m3, then for each 16 elements f4e2m1 in halves: d q.
void decode_nvfp4(const std::byte* block, float* elements);

// Blocks of 256 elements in groups that have scales of their own, of 4 or 6 bits, times d (block_encoding_k.cpp).
void decode_q2_k(const std::byte* block, float* elements);    ///< groups of 16, scale and minimum: 2 bits
void decode_q3_k(const std::byte* block, float* elements);    ///< groups of 16, signed scale: 3 bits, q - 4
void decode_q4_k(const std::byte* block, float* elements);    ///< groups of 32, scale and minimum: 4 bits
void decode_q5_k(const std::byte* block, float* elements);    ///< groups of 32, scale and minimum: 5 bits
void decode_q6_k(const std::byte* block, float* elements);    ///< groups of 16, signed scale: 6 bits, q - 32
void decode_iq4_xs(const std::byte* block, float* elements);  ///< groups of 32, signed scale: as iq4_nl
void decode_tq1_0(const std::byte* block, float* elements);   ///< d; -1, 0 or 1, five in a byte in base 3
void decode_tq2_0(const std::byte* block, float* elements);   ///< d; -1, 0 or 1, in 2 bits

// Blocks of 256 elements, 8 or 4 of which are a point of a lattice (block_encoding_iq.cpp).
void decode_iq1_s(const std::byte* block, float* elements);
void decode_iq1_m(const std::byte* block, float* elements);
void decode_iq2_xxs(const std::byte* block, float* elements);
void decode_iq2_xs(const std::byte* block, float* elements);
void decode_iq2_s(const std::byte* block, float* elements);
void decode_iq3_xxs(const std::byte* block, float* elements);
void decode_iq3_s(const std::byte* block, float* elements);

}  // namespace monza
