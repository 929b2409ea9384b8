// Weights from blocks to panels and back. A block is taken apart into codes and scales, which are the same bits in
// either.
#include "ops/matmul/block_panels.simd.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernel/packed_format.h"
#include "tensor/block_bits.h"
#include "tensor/block_encoding.h"

namespace monza::ops {
namespace {

using blocks::byte_at;
using blocks::read_at;

/// A block's bits: what a row has of as many elements.
struct Parts {
  std::uint8_t code[kSuperBlock] = {};
  std::uint8_t scale[16] = {}, minimum[8] = {};  ///< of super-blocks
  std::uint16_t d = 0, m = 0;
};

void put_byte(std::byte* p, int i, int value) { p[i] = static_cast<std::byte>(value); }
void or_byte(std::byte* p, int i, int value) { p[i] |= static_cast<std::byte>(value); }

/// f(element, byte of its low 4 bits, its shift) for codes of 4 bits in `per` elements of half a byte each.
template <typename F>
void each_nibble(int elements, int per, F&& f) {
  for (int i = 0; i < elements; ++i) f(i, i / per * (per / 2) + i % (per / 2), i % per / (per / 2) * 4);
}

/// Where q4_k and q5_k have the 6 bits of scale and minimum of a group.
struct SixBits {
  int low_byte, low_shift, low_bits, high_byte;  ///< the other 2 bits are the upper ones of high_byte
};
SixBits six_bits(int group, bool minimum) {
  if (group < 4) return {group + (minimum ? 4 : 0), 0, 6, -1};
  return {group + 4, minimum ? 4 : 0, 4, group - (minimum ? 0 : 4)};
}

// The codes of a block, by plain loops over bytes that compilers make vectors of: all weights of a model go through
// them at its start.

/// Codes of 4 bits: of each `kPer` elements the first half lies in the lower halves of bytes, the second in the upper.
template <int kElements, int kPer>
void take_nibbles(const std::byte* from, std::uint8_t* codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
  for (int part = 0; part < kElements / kPer; ++part, bytes += kPer / 2, codes += kPer) {
    for (int j = 0; j < kPer / 2; ++j) codes[j] = bytes[j] & 15;
    for (int j = 0; j < kPer / 2; ++j) codes[kPer / 2 + j] = bytes[j] >> 4;
  }
}
/// Sets bit 4 of 32 codes to bit kShift of as many bytes.
template <int kShift>
void or_fifth(const std::byte* from, std::uint8_t* codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
  for (int j = 0; j < 32; ++j) codes[j] |= static_cast<std::uint8_t>((bytes[j] >> kShift & 1) << 4);
}
/// Sets bits 4 and 5 of 32 codes to bits 2 * kPart and the next of as many bytes.
template <int kPart>
void or_fifth_and_sixth(const std::byte* from, std::uint8_t* codes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
  for (int j = 0; j < 32; ++j) codes[j] |= static_cast<std::uint8_t>((bytes[j] >> 2 * kPart & 3) << 4);
}

void take_super_scales(const std::byte* b, Parts& p) {
  p.d = read_at<std::uint16_t>(b);
  p.m = read_at<std::uint16_t>(b + 2);
  for (int g = 0; g < 8; ++g)
    for (const bool minimum : {false, true}) {
      const SixBits s = six_bits(g, minimum);
      int value = byte_at(b + 4, s.low_byte) >> s.low_shift & ((1 << s.low_bits) - 1);
      if (s.high_byte >= 0) value |= byte_at(b + 4, s.high_byte) >> 6 << 4;
      (minimum ? p.minimum : p.scale)[g] = static_cast<std::uint8_t>(value);
    }
}

/// Overwrites what an encoding has of `p`.
void take_block(DType type, const std::byte* b, Parts& p) {
  switch (type) {
    case DType::q4_0:
    case DType::q4_1:
      p.d = read_at<std::uint16_t>(b);
      if (type == DType::q4_1) p.m = read_at<std::uint16_t>(b + 2);
      take_nibbles<32, 32>(b + (type == DType::q4_0 ? 2 : 4), p.code);
      break;
    case DType::q5_0:
    case DType::q5_1: {
      const std::byte* fifth = b + (type == DType::q5_0 ? 2 : 4);
      p.d = read_at<std::uint16_t>(b);
      if (type == DType::q5_1) p.m = read_at<std::uint16_t>(b + 2);
      take_nibbles<32, 32>(fifth + 4, p.code);
      const auto bits = read_at<std::uint32_t>(fifth);
      for (int i = 0; i < 32; ++i) p.code[i] |= static_cast<std::uint8_t>((bits >> i & 1) << 4);
      break;
    }
    case DType::q8_0:
      p.d = read_at<std::uint16_t>(b);
      for (int i = 0; i < 32; ++i) p.code[i] = std::to_integer<std::uint8_t>(b[2 + i]) ^ 128;
      break;
    case DType::q4_k:
      take_super_scales(b, p);
      take_nibbles<256, 64>(b + 16, p.code);
      break;
    case DType::q5_k:
      take_super_scales(b, p);
      take_nibbles<256, 64>(b + 48, p.code);
      [&]<int... kGroup>(std::integer_sequence<int, kGroup...>) {
        (or_fifth<kGroup>(b + 16, p.code + 32 * kGroup), ...);
      }(std::make_integer_sequence<int, 8>{});
      break;
    case DType::q6_k:
      p.d = read_at<std::uint16_t>(b + 208);
      std::memcpy(p.scale, b + 192, 16);
      take_nibbles<256, 128>(b, p.code);
      for (int half = 0; half < 2; ++half)
        [&]<int... kPart>(std::integer_sequence<int, kPart...>) {
          (or_fifth_and_sixth<kPart>(b + 128 + 32 * half, p.code + 128 * half + 32 * kPart), ...);
        }(std::make_integer_sequence<int, 4>{});
      break;
    default: break;
  }
}

/// The inverse.
void block_of(DType type, const Parts& p, std::byte* b) {
  std::memset(b, 0, static_cast<std::size_t>(block_encoding(type).bytes));
  const auto put_half = [&](int at, std::uint16_t bits) { std::memcpy(b + at, &bits, sizeof bits); };
  switch (type) {
    case DType::q4_0:
    case DType::q4_1: {
      std::byte* q = b + (type == DType::q4_0 ? 2 : 4);
      put_half(0, p.d);
      if (type == DType::q4_1) put_half(2, p.m);
      each_nibble(32, 32, [&](int i, int at, int shift) { or_byte(q, at, p.code[i] << shift); });
      break;
    }
    case DType::q5_0:
    case DType::q5_1: {
      std::byte* fifth = b + (type == DType::q5_0 ? 2 : 4);
      put_half(0, p.d);
      if (type == DType::q5_1) put_half(2, p.m);
      each_nibble(32, 32, [&](int i, int at, int shift) {
        or_byte(fifth + 4, at, (p.code[i] & 15) << shift);
        or_byte(fifth, i / 8, p.code[i] >> 4 << (i % 8));
      });
      break;
    }
    case DType::q8_0:
      put_half(0, p.d);
      for (int i = 0; i < 32; ++i) put_byte(b + 2, i, p.code[i] ^ 128);
      break;
    case DType::q4_k:
    case DType::q5_k: {
      put_half(0, p.d);
      put_half(2, p.m);
      for (int g = 0; g < 8; ++g)
        for (const bool minimum : {false, true}) {
          const SixBits s = six_bits(g, minimum);
          const int value = (minimum ? p.minimum : p.scale)[g];
          or_byte(b + 4, s.low_byte, (value & ((1 << s.low_bits) - 1)) << s.low_shift);
          if (s.high_byte >= 0) or_byte(b + 4, s.high_byte, value >> 4 << 6);
        }
      std::byte *q = b + (type == DType::q4_k ? 16 : 48), *fifth = b + 16;
      each_nibble(256, 64, [&](int i, int at, int shift) {
        or_byte(q, at, (p.code[i] & 15) << shift);
        if (type == DType::q5_k) or_byte(fifth, i % 32, p.code[i] >> 4 << (i / 32));
      });
      break;
    }
    case DType::q6_k:
      put_half(208, p.d);
      std::memcpy(b + 192, p.scale, 16);
      each_nibble(256, 128, [&](int i, int at, int shift) {
        or_byte(b, at, (p.code[i] & 15) << shift);
        or_byte(b + 128, i / 128 * 32 + i % 32, p.code[i] >> 4 << (i % 128 / 32 * 2));
      });
      break;
    default: break;
  }
}

/// A row of a panel: where the bits of one of its blocks lie.
class PanelRow {
 public:
  PanelRow(const BlockForm& form, std::byte* panel, std::int64_t k, int row)
      : form_(form), codes_(panel), scales_(panel + k / kCodeGroup * code_bytes(form)), row_(row) {}

  /// f(byte, shift) for the code of element i.
  template <typename F>
  void at_code(std::int64_t i, F&& f) const {
    const std::int64_t group = i / kCodeGroup;
    const int in = static_cast<int>(i % kCodeGroup), step = in / 4;
    const bool upper = form_.bits == 4 && step >= 4;
    f(codes_ + group * code_bytes(form_) + (upper ? step - 4 : step) * 64 + row_ * 4 + in % 4, upper ? 4 : 0);
  }
  std::byte* scales(std::int64_t i) const { return scales_ + i / scale_step(form_) * scale_bytes(form_); }
  std::byte* scale(std::int64_t i, int group) const { return scales(i) + group * kPanelRows + row_; }
  std::byte* minimum(std::int64_t i, int group) const { return scale(i, kSuperBlock / form_.group + group); }
  std::byte* half(std::int64_t i, bool minimum) const {
    const int groups = form_.super ? kSuperBlock / form_.group * (form_.minimum ? 2 : 1) : 0;
    return scales(i) + groups * kPanelRows + (minimum ? 2 * kPanelRows : 0) + 2 * row_;
  }

 private:
  const BlockForm& form_;
  std::byte *codes_, *scales_;
  int row_;
};

/// Codes of the block that is at element i of all rows of a panel: words of four change rows and columns.
void put_codes(const BlockForm& f, std::byte* panel, std::int64_t i, int elements, const Parts (&rows)[kPanelRows]) {
  std::byte* to = panel + i / kCodeGroup * code_bytes(f);
  const int steps = f.bits == 4 ? 4 : 8;
  for (int e = 0; e < elements; e += kCodeGroup)
    for (int step = 0; step < steps; ++step)
      for (int row = 0; row < kPanelRows; ++row, to += 4) {
        auto word = read_at<std::uint32_t>(reinterpret_cast<const std::byte*>(rows[row].code + e + 4 * step));
        if (f.bits == 4)
          word |= read_at<std::uint32_t>(reinterpret_cast<const std::byte*>(rows[row].code + e + 4 * step + 16)) << 4;
        std::memcpy(to, &word, sizeof word);
      }
}

void put_scales(const BlockForm& f, const PanelRow& row, std::int64_t i, const Parts& p) {
  for (int g = 0; f.super && g < kSuperBlock / f.group; ++g) {
    *row.scale(i, g) = static_cast<std::byte>(p.scale[g]);
    if (f.minimum) *row.minimum(i, g) = static_cast<std::byte>(p.minimum[g]);
  }
  std::memcpy(row.half(i, false), &p.d, 2);
  if (f.minimum) std::memcpy(row.half(i, true), &p.m, 2);
}

Parts take(const BlockForm& f, const PanelRow& row, std::int64_t i, int elements) {
  Parts p;
  const int mask = f.bits == 4 ? 15 : 255;
  for (int e = 0; e < elements; ++e)
    row.at_code(i + e, [&](const std::byte* at, int shift) {
      p.code[e] = static_cast<std::uint8_t>(std::to_integer<int>(*at) >> shift & mask);
    });
  for (int g = 0; f.super && g < kSuperBlock / f.group; ++g) {
    p.scale[g] = std::to_integer<std::uint8_t>(*row.scale(i, g));
    if (f.minimum) p.minimum[g] = std::to_integer<std::uint8_t>(*row.minimum(i, g));
  }
  std::memcpy(&p.d, row.half(i, false), 2);
  if (f.minimum) std::memcpy(&p.m, row.half(i, true), 2);
  return p;
}

/// f(row of its panel, element, elements, the block's place among the encoding's bytes) for every block.
template <typename F>
void each_block(const BlockForm& form, const Shape& shape, std::byte* packed, F&& f) {
  const BlockEncoding& encoding = block_encoding(form.dtype);
  const std::int64_t n = shape[0], k = shape[1], row_bytes = block_row_bytes(encoding, k);
  for (std::int64_t row = 0; row < n; ++row) {
    const PanelRow at(form, packed + row / kPanelRows * panel_bytes(form, k), k, static_cast<int>(row % kPanelRows));
    for (std::int64_t i = 0; i < k; i += encoding.elements)
      f(at, i, encoding.elements, row * row_bytes + i / encoding.elements * encoding.bytes);
  }
}

/// The form of a weight that has panels, else null.
const BlockForm* form_of(const KernelQuery& q) {
  const OperandDesc& w = q.input(1);
  const BlockForm* form = block_form(w.dtype);
  if (form == nullptr || w.shape.rank != 2 || w.shape[0] < 1 || w.shape[1] < 1) return nullptr;
  return w.shape[1] % block_encoding(w.dtype).elements == 0 ? form : nullptr;
}

std::size_t format_bytes(const KernelQuery& q, int) noexcept {
  return form_of(q) == nullptr ? kNeverPacked : block_panels_bytes(q);
}

void unpack(const KernelQuery& q, int, const std::byte* packed, void* dense) noexcept {
  const BlockForm& form = *form_of(q);
  each_block(form, q.input(1).shape, const_cast<std::byte*>(packed),
             [&](const PanelRow& row, std::int64_t i, int elements, std::int64_t at) {
               block_of(form.dtype, take(form, row, i, elements), static_cast<std::byte*>(dense) + at);
             });
}

}  // namespace

std::size_t block_panels_bytes(const KernelQuery& q) noexcept {
  const Shape& shape = q.input(1).shape;
  return static_cast<std::size_t>((shape[0] + kPanelRows - 1) / kPanelRows *
                                  panel_bytes(*block_form(q.input(1).dtype), shape[1]));
}

void pack_block_panels(const KernelQuery& q, std::byte* packed) noexcept {
  const BlockForm& form = *block_form(q.input(1).dtype);
  const BlockEncoding& encoding = block_encoding(form.dtype);
  const auto* blocks = static_cast<const std::byte*>(q.input(1).data);
  const std::int64_t n = q.input(1).shape[0], k = q.input(1).shape[1], row_bytes = block_row_bytes(encoding, k),
                     bytes = panel_bytes(form, k);
  Parts rows[kPanelRows];
  for (std::int64_t first = 0; first < n; first += kPanelRows, packed += bytes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kPanelRows, n - first));
    for (int row = count; row < kPanelRows; ++row) rows[row] = {};
    const std::int64_t used = k / kCodeGroup * code_bytes(form) + k / scale_step(form) * scale_bytes(form);
    std::memset(packed + used, 0, static_cast<std::size_t>(bytes - used));
    for (std::int64_t i = 0; i < k; i += encoding.elements) {
      const std::byte* block = blocks + first * row_bytes + i / encoding.elements * encoding.bytes;
      for (int row = 0; row < count; ++row) take_block(form.dtype, block + row * row_bytes, rows[row]);
      put_codes(form, packed, i, encoding.elements, rows);
      for (int row = 0; row < kPanelRows; ++row) put_scales(form, PanelRow(form, packed, k, row), i, rows[row]);
    }
  }
}

const PackedFormat matmul_block_panels{"matmul_block_panels", format_bytes, unpack};

constexpr const PackedFormat* kBlockPanelFormats[] = {&matmul_block_panels};
extern const PackedFormatList block_panels_formats{kBlockPanelFormats};

}  // namespace monza::ops
