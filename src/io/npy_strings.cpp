#include "io/npy_strings.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/error.h"

namespace monza::io {
namespace {

constexpr std::uint32_t kLastCharacter = 0x10ffff;
bool is_character(std::uint32_t c) { return c <= kLastCharacter && (c < 0xd800 || c > 0xdfff); }

/// The characters of UTF-8 text; false where it is none.
bool decode(std::string_view text, std::vector<std::uint32_t>& to) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int tail = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    if (tail < 0 || i + static_cast<std::size_t>(tail) >= text.size()) return false;
    std::uint32_t c = tail == 0 ? lead : lead & (0x3fU >> tail);
    for (int k = 1; k <= tail; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if (byte >> 6 != 2) return false;
      c = c << 6 | (byte & 0x3fU);
    }
    static constexpr std::uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};  // a longer form than need be is none
    if (!is_character(c) || c < kLeast[tail]) return false;
    to.push_back(c);
    i += static_cast<std::size_t>(tail) + 1;
  }
  return true;
}

void encode(std::uint32_t c, std::string& to) {
  const auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) put(0xc0 | c >> 6);
  else if (c < 0x10000) put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f));
  else put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f));
  put(0x80 | (c & 0x3f));
}

}  // namespace

std::vector<std::byte> utf32_of(const TensorRef& strings, std::size_t& width) {
  const auto count = static_cast<std::size_t>(strings.numel());
  const auto* elements = static_cast<const StringRef*>(strings.data);
  std::vector<std::vector<std::uint32_t>> decoded(count);
  width = 1;  // NumPy has no '<U0'
  for (std::size_t i = 0; i < count; ++i) {
    if (!decode(elements[i].view(), decoded[i])) fail("element {} is no UTF-8, which is what NumPy's strings are", i);
    width = std::max(width, decoded[i].size());
  }
  std::vector<std::byte> rows(count * width * 4);
  for (std::size_t i = 0; i < count; ++i)
    if (!decoded[i].empty()) std::memcpy(rows.data() + i * width * 4, decoded[i].data(), decoded[i].size() * 4);
  return rows;
}

std::vector<std::string> from_utf32(std::span<const std::byte> elements, std::size_t count, std::size_t width,
                                    bool swapped) {
  std::vector<std::string> strings(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t length = 0;  // behind the last zero are none but zeros
    for (std::size_t k = 0; k < width; ++k) {
      std::uint32_t c = 0;
      std::memcpy(&c, elements.data() + (i * width + k) * 4, 4);
      if (swapped) c = __builtin_bswap32(c);
      if (!is_character(c)) fail("element {} holds {}, which is no character", i, c);
      encode(c, strings[i]);
      if (c != 0) length = strings[i].size();
    }
    strings[i].resize(length);
  }
  return strings;
}

}  // namespace monza::io
