// The part of the zip format (PKWARE APPNOTE 6.3) that .npz files use. Internal to src/io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace monza::io {

struct ZipEntry {
  std::string name;
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::uint64_t compressed = 0, size = 0;
  std::uint64_t header = 0;  ///< where its local header begins
};

/// The central directory. Throws Error when it is damaged, or the archive is split or encrypted.
std::vector<ZipEntry> zip_entries(std::span<const std::byte> archive);

/// The first `most` bytes of an entry, or all of them, checked against its CRC: a part of `archive` when stored, else
/// kept alive by `owner`. No more memory is taken than is asked for.
struct ZipContent {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};
ZipContent zip_content(std::span<const std::byte> archive, const ZipEntry& entry, std::uint64_t most = UINT64_MAX);

/// One stored file of an archive being written, in pieces.
struct ZipSource {
  std::string name;
  std::vector<std::span<const std::byte>> pieces;
};
/// Headers and directory around the sources: `pieces` lists the whole file in order and points into `sources`
/// and into `text`, which must both outlive it.
struct ZipLayout {
  std::vector<std::string> text;
  std::vector<std::span<const std::byte>> pieces;
};
ZipLayout zip_layout(std::span<const ZipSource> sources);

}  // namespace monza::io
