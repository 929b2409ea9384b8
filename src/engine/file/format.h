// The fixed beginning of an engine file, and what reader and writer share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_kind.h"
#include "engine/file/image.h"
#include "kernel/registry.h"

namespace monza::engine_file {

inline constexpr std::string_view kMagic = kEngineMagic;
inline constexpr std::uint32_t kFormatVersion = 5;
/// Profiles that one engine may have: more are a mistake in a file.
inline constexpr std::size_t kMaxProfiles = 256;
/// Sections begin at multiples of this, so that each can be mapped with its own protection.
inline constexpr std::uint64_t kSectionAlignment = 4096;

/// Everything here can be read whatever the version of the rest.
struct Prefix {
  char magic[kMagic.size()];
  std::uint32_t format_version;
  std::uint32_t plan_version;
  std::uint64_t file_bytes;
  std::uint64_t header_bytes;     ///< of the FlatBuffers header, which begins right after the prefix
  std::uint64_t header_checksum;  ///< hash64 of it, seeded with file_bytes
  std::uint64_t reserved[3];      ///< 0
};
static_assert(sizeof(Prefix) == 64);

/// Of a file that an engine carries: "carried.gguf", ...
inline constexpr std::string_view kCarriedSection = "carried.";
inline std::string carried_section(std::string_view name) { return std::string(kCarriedSection) + std::string(name); }

/// "plan.steps", "plan1.steps", ...
std::string plan_section(std::size_t profile, const char* array);

// What of this binary a plan and its packed weights rely on. An engine names the families whose kernels its plans use;
// where one of them, or the plan's structs, are others in this build, it is planned anew. Text counts without comments
// and spacing.

/// Of the text of the plan's structs.
std::uint64_t plan_hash();
/// Of a family: each kernel's name, place in the order of preference, version, ports and packings, and the text of the
/// kernels with all that they include.
std::uint64_t family_hash(const KernelFamily& family);
/// The same of any kernels; `sources` stands for the text.
std::uint64_t hash_kernels(std::span<const Kernel* const> kernels, std::string_view sources);

/// The first of `used` that is another among `families`, or that is not there; null when all are as they were.
const FamilyHash* changed_family(std::span<const FamilyHash> used, std::span<const KernelFamily> families);

}  // namespace monza::engine_file
