// The fixed beginning of an engine file, and what reader and writer share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernel/kernel.h"

namespace monza::engine_file {

inline constexpr char kMagic[8] = {'M', 'O', 'N', 'Z', 'A', 'E', 'N', 'G'};
inline constexpr std::uint32_t kFormatVersion = 3;
/// Profiles that one engine may have: more are a mistake in a file.
inline constexpr std::size_t kMaxProfiles = 256;
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

/// "plan.steps", "plan1.steps", ...
std::string plan_section(std::size_t profile, const char* array);
/// Of everything in this binary that a plan and its packed weights rely on: each kernel's name, place in the order of
/// preference, version, ports and packings, and the text of the kernels, their parameter structs and the plan's structs
/// (comments and spacing apart). Engines of another build are planned anew.
std::uint64_t kernels_hash();
/// The same of any kernels; `sources` stands for the text.
std::uint64_t hash_kernels(std::span<const Kernel* const> kernels, std::string_view sources);

}  // namespace monza::engine_file
