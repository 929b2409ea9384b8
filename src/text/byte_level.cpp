#include "text/byte_level.h"

#include <array>

#include "text/unicode.h"

namespace monza::text {
namespace {

/// Printable characters of Latin-1 write themselves; the other bytes are numbered from 256 on, in their order.
constexpr std::array<std::int16_t, 512> kBytes = [] {
  std::array<std::int16_t, 512> bytes{};
  bytes.fill(-1);
  std::size_t next = 256;
  for (std::int16_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[printable ? static_cast<std::size_t>(byte) : next++] = byte;
  }
  return bytes;
}();

}  // namespace

std::optional<std::string> bytes_of_letters(std::string_view letters) {
  std::string bytes;
  for (std::size_t at = 0; at < letters.size();) {
    const Character c = character_at(letters, at);
    if (c.code >= kBytes.size() || kBytes[c.code] < 0) return std::nullopt;
    bytes += static_cast<char>(kBytes[c.code]);
    at += c.bytes;
  }
  return bytes;
}

}  // namespace monza::text
