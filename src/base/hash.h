// A fast non-cryptographic 64-bit hash for cache keys and block checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace monza {

/// XXH64 (algorithm: github.com/Cyan4973/xxHash, doc/xxhash_spec.md) of bytes that come in pieces.
class Hash64 {
 public:
  explicit Hash64(std::uint64_t seed = 0);
  void add(std::span<const std::byte> bytes);
  /// Of all that was added.
  std::uint64_t value() const;

 private:
  void take_stripes(const std::byte*& p, const std::byte* end);
  std::uint64_t seed_, lanes_[4], bytes_ = 0;
  std::byte open_[32];  ///< the bytes_ % 32 that are no whole stripe yet
};

/// XXH64 of `bytes`.
std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
inline std::uint64_t hash64(std::string_view text, std::uint64_t seed = 0) {
  return hash64(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace monza
