// Blocks of 256 elements, 8 or 4 of which are a point of a lattice.
#include <bit>

#include "tensor/block_bits.h"
#include "tensor/block_encoding.h"
#include "tensor/iq_grids.h"

namespace monza {
namespace {

using blocks::byte_at;
using blocks::f16_at;
using blocks::read_at;

constexpr float kLevelsIq2[] = {8, 25, 43};
constexpr float kLevelsIq3xxs[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr float kLevelsIq3s[] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr float kShiftIq1 = 0.125f;

/// Eight signs in 7 bits: the last makes the number of minuses even.
int even_signs(std::uint32_t bits) {
  return static_cast<int>(bits & 127) | (std::popcount(bits & 127) % 2 != 0 ? 128 : 0);
}

/// `count` elements of a point: d times their levels, bit i of `signs` set for a minus.
template <int kBits>
void put_point(float* to, int count, float d, unsigned point, const float* levels, int signs) {
  for (int i = 0; i < count; ++i) {
    const float value = d * levels[point >> (kBits * i) & ((1u << kBits) - 1)];
    to[i] = (signs >> i & 1) != 0 ? -value : value;
  }
}

/// Eight elements of iq1: their levels are -1, 0 and 1, all shifted.
void put_shifted(float* to, float d, unsigned point, float shift) {
  for (int i = 0; i < 8; ++i) to[i] = d * (static_cast<float>(static_cast<int>(point >> (2 * i) & 3) - 1) + shift);
}

float quarter_step(float d, int scale) { return d * (0.5f + static_cast<float>(scale)) * 0.25f; }

}  // namespace

void decode_iq2_xxs(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int group = 0; group < 8; ++group) {  // of 32: four points in 4 bytes, then signs and a scale
    const std::byte* points = block + 2 + group * 8;
    const auto rest = read_at<std::uint32_t>(points + 4);
    const float step = quarter_step(d, static_cast<int>(rest >> 28));
    for (int k = 0; k < 4; ++k)
      put_point<2>(elements + group * 32 + k * 8, 8, step, blocks::kGridIq2xxs[byte_at(points, k)], kLevelsIq2,
                   even_signs(rest >> (7 * k)));
  }
}

void decode_iq2_xs(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int k = 0; k < 32; ++k) {  // 9 bits of a point, 7 of signs; a scale for two points
    const auto both = read_at<std::uint16_t>(block + 2 + 2 * k);
    const int scale = byte_at(block + 66, k / 4) >> (k / 2 % 2 * 4) & 15;
    put_point<2>(elements + k * 8, 8, quarter_step(d, scale), blocks::kGridIq2xs[both & 511], kLevelsIq2,
                 even_signs(both >> 9));
  }
}

void decode_iq2_s(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int k = 0; k < 32; ++k) {  // 10 bits of a point in two places, 8 of signs; a scale for two points
    const int high = byte_at(block + 66, k / 4) >> (k % 4 * 2) & 3;
    const int scale = byte_at(block + 74, k / 4) >> (k / 2 % 2 * 4) & 15;
    put_point<2>(elements + k * 8, 8, quarter_step(d, scale), blocks::kGridIq2s[byte_at(block + 2, k) | high << 8],
                 kLevelsIq2, byte_at(block + 34, k));
  }
}

void decode_iq3_xxs(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int group = 0; group < 8; ++group) {  // of 32: eight points; signs and a scale behind all points
    const auto rest = read_at<std::uint32_t>(block + 66 + group * 4);
    const float step = d * (0.5f + static_cast<float>(rest >> 28)) * 0.5f;
    for (int k = 0; k < 8; ++k)
      put_point<3>(elements + group * 32 + k * 4, 4, step, blocks::kGridIq3xxs[byte_at(block + 2, group * 8 + k)],
                   kLevelsIq3xxs, even_signs(rest >> (7 * (k / 2))) >> (k % 2 * 4));
  }
}

void decode_iq3_s(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int k = 0; k < 64; ++k) {  // 9 bits of a point in two places, 4 of signs; a scale for eight points
    const int high = byte_at(block + 66, k / 8) >> (k % 8) & 1;
    const int scale = byte_at(block + 106, k / 16) >> (k / 8 % 2 * 4) & 15;
    put_point<3>(elements + k * 4, 4, d * static_cast<float>(1 + 2 * scale),
                 blocks::kGridIq3s[byte_at(block + 2, k) | high << 8], kLevelsIq3s,
                 byte_at(block + 74, k / 2) >> (k % 2 * 4));
  }
}

void decode_iq1_s(const std::byte* block, float* elements) {
  const float d = f16_at(block);
  for (int k = 0; k < 32; ++k) {  // 11 bits of a point in two places; a scale and a shift's sign for four points
    const int rest = read_at<std::uint16_t>(block + 34 + k / 4 * 2);
    const int point = byte_at(block + 2, k) | (rest >> (k % 4 * 3) & 7) << 8;
    put_shifted(elements + k * 8, d * static_cast<float>(2 * (rest >> 12 & 7) + 1), blocks::kGridIq1[point],
                (rest & 0x8000) != 0 ? -kShiftIq1 : kShiftIq1);
  }
}

void decode_iq1_m(const std::byte* block, float* elements) {
  // d is cut into four, the upper 4 bits of each 16 of scales.
  const auto scales = [&](int i) { return read_at<std::uint16_t>(block + 48 + 2 * i); };
  unsigned bits = 0;
  for (int i = 0; i < 4; ++i) bits |= static_cast<unsigned>(scales(i) >> 12) << (4 * i);
  const float d = f16_to_f32(static_cast<std::uint16_t>(bits));
  for (int k = 0; k < 32; ++k) {  // 11 bits of a point in two places, a shift's sign; a scale for two points
    const int rest = byte_at(block + 32, k / 2) >> (k % 2 * 4);
    const int point = byte_at(block, k) | (rest & 7) << 8, scale = scales(k / 8) >> (k / 2 % 4 * 3) & 7;
    put_shifted(elements + k * 8, d * static_cast<float>(2 * scale + 1), blocks::kGridIq1[point],
                (rest & 8) != 0 ? -kShiftIq1 : kShiftIq1);
  }
}

}  // namespace monza
