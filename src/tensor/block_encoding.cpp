#include "tensor/block_encoding.h"

#include <cstring>

#include "tensor/float_convert.h"

namespace monza {
namespace {

float f16_at(const std::byte* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return f16_to_f32(bits);
}

}  // namespace

void decode_q4_0(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int i = 0; i < 16; ++i) {
    const int pair = std::to_integer<int>(block[2 + i]);
    elements[i] = d * static_cast<float>((pair & 15) - 8);
    elements[i + 16] = d * static_cast<float>((pair >> 4) - 8);
  }
}

void decode_q8_0(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int i = 0; i < 32; ++i) elements[i] = d * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
}

std::int64_t block_row_bytes(const BlockEncoding& encoding, std::int64_t n) {
  return (n + encoding.elements - 1) / encoding.elements * encoding.bytes;
}

}  // namespace monza
