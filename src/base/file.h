// The one way to read files that strangers wrote: mapped read-only, paths confined. Writing: output_file.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace monza {

/// What the system says of an errno.
std::string system_reason(int error);

/// A file mapped read-only. Immutable and safe to read from any thread while it lives.
class MappedFile {
 public:
  /// Maps a regular file; Error if it cannot be opened, is no regular file, or is larger than `max_bytes`.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path,
                                                std::size_t max_bytes = static_cast<std::size_t>(1) << 46) {
    return open(path, max_bytes, false);
  }
  /// The same, and the file stays open for read() and shrunk().
  static std::shared_ptr<const MappedFile> open_to_read(const std::filesystem::path& path) {
    return open(path, static_cast<std::size_t>(1) << 46, true);
  }
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  const std::filesystem::path& path() const noexcept { return path_; }

  /// The part [offset, offset + length), or an Error that names the file and the bounds.
  std::span<const std::byte> slice(std::uint64_t offset, std::uint64_t length, std::string_view what) const;

  /// Copies the bytes from `offset` on. Where others may cut or rewrite the file, what is to be trusted is copied
  /// before it is checked, and not through the mapping, where a file that has been cut is a signal: here it is an
  /// Error.
  void read(std::uint64_t offset, std::span<std::byte> to, std::string_view what) const;
  /// Maps bytes [offset, offset + length) over the pages from `at` on, which must be address space of the caller's own;
  /// `offset` is that of a page. For files that stay open.
  void map_over(std::byte* at, std::uint64_t offset, std::uint64_t length) const;
  /// Tells the file from another of its size: hash64 of its first and last 64 KiB. For files that stay open.
  std::uint64_t sample() const;
  /// Whether the file is shorter than its mapping by now: touching what is missing is a signal (SIGBUS).
  bool shrunk() const noexcept;

 private:
  MappedFile() = default;
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path, std::size_t max_bytes,
                                                bool stays_open);
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::filesystem::path path_;
};

/// Resolves `relative`, as written in a model file, against the model's folder. Error if it is absolute, leaves the
/// folder (through "..", or a symbolic link), goes through what is hidden (its name begins with "."), has other names
/// (hard links, which may be those of files from elsewhere), or is no regular file. In the root of the file system,
/// which holds everything, only files beside the model are taken.
std::filesystem::path resolve_confined(const std::filesystem::path& folder, std::string_view relative);

}  // namespace monza
