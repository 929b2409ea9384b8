// Blocks of 256 elements in groups with scales of their own.
#include "tensor/block_bits.h"
#include "tensor/block_encoding.h"

namespace monza {
namespace {

using blocks::bit_at;
using blocks::byte_at;
using blocks::f16_at;
using blocks::signed_at;

/// Element i of 256 with 2 bits each: each 32 bytes hold 128 elements, the first 32 of them in the lowest bits.
int pair_at(const std::byte* p, int i) { return byte_at(p, i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3; }
/// Element i of 256 with 4 bits each: each 32 bytes hold 64 elements, the first 32 of them in the low bits.
int nibble_at(const std::byte* p, int i) { return byte_at(p, i / 64 * 32 + i % 32) >> (i % 64 / 32 * 4) & 15; }

/// Eight scales and eight minimums of 6 bits in 12 bytes: 0 to 3 are the low 6 bits of bytes 0 to 3 and 4 to 7; of the
/// others bytes 8 to 11 hold 4 bits each, and the upper 2 bits of those before the rest.
struct ScaleAndMin {
  int scale, minimum;
};
ScaleAndMin scale_and_min(const std::byte* p, int i) {
  if (i < 4) return {byte_at(p, i) & 63, byte_at(p, i + 4) & 63};
  return {(byte_at(p, i + 4) & 15) | (byte_at(p, i - 4) >> 6 << 4), byte_at(p, i + 4) >> 4 | (byte_at(p, i) >> 6 << 4)};
}

/// q4_k and q5_k: d, m, the scales, then the elements as `element` reads them.
template <typename Element>
void decode_with_minimums(const std::byte* block, float* elements, Element element) {
  const float d = f16_at(block), m = f16_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = scale_and_min(block + 4, group);
    const float step = d * static_cast<float>(scale), low = m * static_cast<float>(minimum);
    for (int i = group * 32; i < group * 32 + 32; ++i) elements[i] = step * static_cast<float>(element(i)) - low;
  }
}

}  // namespace

void decode_q2_k(const std::byte* block, float* elements) {
  const float d = f16_at(block + 80), m = f16_at(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int scales = byte_at(block, i / 16);
    const float step = d * static_cast<float>(scales & 15), low = m * static_cast<float>(scales >> 4);
    elements[i] = step * static_cast<float>(pair_at(block + 16, i)) - low;
  }
}

void decode_q3_k(const std::byte* block, float* elements) {
  const std::byte *mask = block, *low = block + 32, *scales = block + 96;
  const float d = f16_at(block + 108);
  for (int i = 0; i < 256; ++i) {
    // 16 scales of 6 bits: the lower 4 in halves of 8 bytes, the upper 2 four to a byte.
    const int group = i / 16;
    const int scale = (byte_at(scales, group % 8) >> (group / 8 * 4) & 15) |
                      (byte_at(scales, 8 + group % 4) >> (group / 4 * 2) & 3) << 4;
    const int high = byte_at(mask, i % 32) >> (i / 32) & 1;
    elements[i] = d * static_cast<float>(scale - 32) * static_cast<float>((pair_at(low, i) | high << 2) - 4);
  }
}

void decode_q4_k(const std::byte* block, float* elements) {
  decode_with_minimums(block, elements, [&](int i) { return nibble_at(block + 16, i); });
}

void decode_q5_k(const std::byte* block, float* elements) {
  const std::byte* fifth = block + 16;
  decode_with_minimums(block, elements,
                       [&](int i) { return nibble_at(block + 48, i) | (byte_at(fifth, i % 32) >> (i / 32) & 1) << 4; });
}

void decode_q6_k(const std::byte* block, float* elements) {
  const std::byte *low = block, *high = block + 128, *scales = block + 192;
  const float d = f16_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    // The low 4 bits: each 64 bytes hold 128 elements.
    const int q = (byte_at(low, i / 128 * 64 + i % 64) >> (i % 128 / 64 * 4) & 15) | pair_at(high, i) << 4;
    elements[i] = d * static_cast<float>(signed_at(scales, i / 16)) * static_cast<float>(q - 32);
  }
}

void decode_iq4_xs(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  const int high = blocks::read_at<std::uint16_t>(block + 2);
  for (int group = 0; group < 8; ++group) {
    const int scale = (byte_at(block + 4, group / 2) >> (group % 2 * 4) & 15) | (high >> (2 * group) & 3) << 4;
    const float step = d * static_cast<float>(scale - 32);
    for (int i = 0; i < 32; ++i) {
      const int level = byte_at(block + 8, group * 16 + i % 16) >> (i / 16 * 4) & 15;
      elements[group * 32 + i] = step * blocks::kUnevenLevels[level];
    }
  }
}

void decode_tq1_0(const std::byte* block, float* elements) {
  const float d = f16_at(block + 52);
  // A byte is a fraction of 256 in base 3: digit n is found by multiplying with 3^n, dropping whole parts, and once
  // more.
  const auto digit = [&](int at, int n) {
    constexpr int kPowers[] = {1, 3, 9, 27, 81};
    return static_cast<float>(((byte_at(block, at) * kPowers[n] & 255) * 3 >> 8) - 1);
  };
  float* out = elements;
  for (int n = 0; n < 5; ++n)
    for (int i = 0; i < 32; ++i) *out++ = d * digit(i, n);
  for (int n = 0; n < 5; ++n)
    for (int i = 0; i < 16; ++i) *out++ = d * digit(32 + i, n);
  for (int n = 0; n < 4; ++n)
    for (int i = 0; i < 4; ++i) *out++ = d * digit(48 + i, n);
}

void decode_tq2_0(const std::byte* block, float* elements) {
  const float d = f16_at(block + 64);
  for (int i = 0; i < 256; ++i) elements[i] = d * static_cast<float>(pair_at(block, i) - 1);
}

}  // namespace monza
