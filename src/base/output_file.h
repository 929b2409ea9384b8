// The one way to write a file.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace monza {

/// A file that is being written. What it replaces stays as it is until commit(); without that nothing has changed.
///   - A regular file is replaced whole, by renaming: readers see the old one or the new one. The new one has the mode
///     of the old, and its owner and group as far as they may be given. A file that may not be written is refused, also
///     where the folder would let it be replaced.
///   - A new file has the mode that the process gives new files.
///   - Symbolic links are followed: what they lead to is replaced, or made.
///   - Devices, named pipes and this process's own descriptors (/dev/stdout) are written through, piece by piece.
/// Every function but the destructor throws Error. Not thread-safe.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Makes what was written the file: synced, under its name. Nothing can be written afterwards.
  void commit();

  /// For writers that seek: -1 once it is committed.
  int descriptor() const noexcept { return fd_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  void open_temporary();
  void keep_owner_and_mode();
  void publish();
  [[noreturn]] void fail_at(const char* what, int error) const;

  std::filesystem::path path_;    ///< as it was given, for messages
  std::filesystem::path target_;  ///< without links
  std::string temporary_;         ///< the name until it is published; "" while it has none
  struct ::stat replaced_{};      ///< of the file that is replaced
  bool replaces_ = false, through_ = false;
  int fd_ = -1;
};

/// Writes the pieces as OutputFile does. Throws Error (a full disk, a limit on the size of files), and leaves a regular
/// file as it was.
void write_file(const std::filesystem::path& path, std::span<const std::span<const std::byte>> pieces);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Throws the Error that OutputFile would throw for what is known already: a folder in its place, no folder to put it
/// into, a file that may not be written. For commands that work long before they write. Makes and changes nothing.
void check_output(const std::filesystem::path& path);

}  // namespace monza
