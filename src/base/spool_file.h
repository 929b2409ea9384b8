// A file without a name, for what is too large for memory and has no place of its own yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace monza {

/// Written in pieces, read back in pieces, or mapped; gone when it is closed, also when the process is killed. Reading
/// is thread-safe, and so is writing to ranges that nobody else reads or writes.
class SpoolFile {
 public:
  /// On the file system of `folder`. Throws Error when no file can be made there.
  explicit SpoolFile(const std::filesystem::path& folder);
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  /// Grows the file as needed; what was never written is zeros. Throws Error (a full disk).
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Throws Error when the file ends before.
  void read(std::uint64_t offset, std::span<std::byte> to) const;
  /// The first `bytes`, read-only. They live as long as the owner that comes with them, which keeps the file too.
  static std::span<const std::byte> map(const std::shared_ptr<SpoolFile>& file, std::uint64_t bytes,
                                        std::shared_ptr<const void>* owner);
  /// Maps the first `length` bytes over the pages from `at` on, which must be address space of the caller's own.
  void map_over(std::byte* at, std::uint64_t length) const;

 private:
  [[noreturn]] void fail_at(const char* what, int error) const;
  std::filesystem::path folder_;  ///< for messages
  int fd_ = -1;
};

}  // namespace monza
