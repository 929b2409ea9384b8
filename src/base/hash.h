// A fast non-cryptographic 64-bit hash for cache keys and block checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace monza {

/// XXH64 of `bytes` (algorithm: github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
inline std::uint64_t hash64(std::string_view text, std::uint64_t seed = 0) {
  return hash64(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace monza
