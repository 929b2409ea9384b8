// The fixed beginning of an engine file, and what reader and writer share.
#pragma once

#include <cstdint>

namespace monza::engine_file {

inline constexpr char kMagic[8] = {'M', 'O', 'N', 'Z', 'A', 'E', 'N', 'G'};
inline constexpr std::uint32_t kFormatVersion = 1;
/// Sections begin at multiples of this, so that each can be mapped with its own protection.
inline constexpr std::uint64_t kSectionAlignment = 4096;

/// Everything here can be read whatever the version of the rest.
struct Prefix {
  char magic[8];
  std::uint32_t format_version;
  std::uint32_t plan_version;
  std::uint64_t file_bytes;
  std::uint64_t header_bytes;     ///< of the FlatBuffers header, which begins right after the prefix
  std::uint64_t header_checksum;  ///< hash64 of it, seeded with file_bytes
  std::uint64_t reserved[3];      ///< 0
};
static_assert(sizeof(Prefix) == 64);

/// hash64 over the names and versions of all kernels of this binary: another build's engines are refused.
std::uint64_t kernels_hash();

}  // namespace monza::engine_file
