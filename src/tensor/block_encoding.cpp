#include "tensor/block_encoding.h"

#include <bit>

#include "tensor/block_bits.h"

namespace monza {
namespace {

using blocks::bit_at;
using blocks::byte_at;
using blocks::f16_at;
using blocks::read_at;

/// Element i of 2 n with 4 bits each, in halves.
int half_at(const std::byte* p, int i, int n) { return i < n ? byte_at(p, i) & 15 : byte_at(p, i - n) >> 4; }

/// Twice what f4e2m1 means, so that it is whole; the scales below are halved.
constexpr float kTwiceF4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Half of 2^(e - 127), subnormal below e = 2.
float half_e8m0(int e) {
  const std::uint32_t bits = e < 2 ? 0x00200000u << e : static_cast<std::uint32_t>(e - 1) << 23;
  return std::bit_cast<float>(bits);
}

/// Half of an unsigned e4m3; its NaN counts as 0, as NVFP4's readers have it.
float half_ue4m3(int bits) {
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  if (bits == 0 || bits == 0x7f) return 0;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  const float power = std::bit_cast<float>(static_cast<std::uint32_t>(exponent - 7 + 127) << 23);
  return (1 + static_cast<float>(mantissa) / 8) * power * 0.5f;
}

}  // namespace

void decode_q4_0(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int i = 0; i < 32; ++i) elements[i] = d * static_cast<float>(half_at(block + 2, i, 16) - 8);
}

void decode_q4_1(const std::byte* block, float* elements) {
  const float d = f16_at(block), m = f16_at(block + 2);
  for (int i = 0; i < 32; ++i) elements[i] = d * static_cast<float>(half_at(block + 4, i, 16)) + m;
}

void decode_q5_0(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int i = 0; i < 32; ++i)
    elements[i] = d * static_cast<float>((half_at(block + 6, i, 16) | bit_at(block + 2, i) << 4) - 16);
}

void decode_q5_1(const std::byte* block, float* elements) {
  const float d = f16_at(block), m = f16_at(block + 2);
  for (int i = 0; i < 32; ++i)
    elements[i] = d * static_cast<float>(half_at(block + 8, i, 16) | bit_at(block + 4, i) << 4) + m;
}

void decode_q8_0(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int i = 0; i < 32; ++i) elements[i] = d * static_cast<float>(blocks::signed_at(block + 2, i));
}

void decode_iq4_nl(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int i = 0; i < 32; ++i) elements[i] = d * blocks::kUnevenLevels[half_at(block + 2, i, 16)];
}

void decode_mxfp4(const std::byte* block, float* elements) {
  const float d = half_e8m0(byte_at(block, 0));
  for (int i = 0; i < 32; ++i) elements[i] = d * kTwiceF4[half_at(block + 1, i, 16)];
}

void decode_nvfp4(const std::byte* block, float* elements) {
  for (int group = 0; group < 4; ++group) {
    const float d = half_ue4m3(byte_at(block, group));
    const std::byte* values = block + 4 + group * 8;
    for (int i = 0; i < 16; ++i) elements[group * 16 + i] = d * kTwiceF4[half_at(values, i, 8)];
  }
}

std::int64_t block_row_bytes(const BlockEncoding& encoding, std::int64_t n) {
  return (n + encoding.elements - 1) / encoding.elements * encoding.bytes;
}

}  // namespace monza
