// GGUF files (versions 2 and 3, little-endian): metadata and tensors, read in place.
//
// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <filesystem>
#include <memory>

#include "gguf/contents.h"
#include "monza/limits.h"

namespace monza::gguf {

/// A GGUF file, mapped.
class File : public Contents {
 public:
  /// Reads the head. Throws Error that names the file: where it is damaged, of another version or byte order, has types
  /// that are not known, names something twice, or is more than `limits` allow.
  static std::shared_ptr<const File> open(const std::filesystem::path& path, const Limits& limits = {});
  /// A file in memory: what head() gave. `path` is its name in messages.
  static std::shared_ptr<const File> of_bytes(std::vector<std::byte> bytes, const std::filesystem::path& path);
  /// True if the file begins as a GGUF file does.
  static bool is_gguf(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  /// A GGUF file of the metadata alone, without tensors.
  std::vector<std::byte> head() const;
  int version() const { return version_; }

 private:
  File() = default;
  static std::shared_ptr<const File> read(std::shared_ptr<File> file, const Limits& limits);
  void read_head(const Limits& limits);
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;  ///< or, of a file in memory,
  std::vector<std::byte> owned_;
  std::span<const std::byte> bytes_;  ///< of either
  std::size_t metadata_end_ = 0;
  int version_ = 0;
};

}  // namespace monza::gguf
