// Bytes under a path, for what opens files itself; nothing touches a disk.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

namespace monza::test {

class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes)
      : fd_(::memfd_create("input", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      const ssize_t n = ::write(fd_, rest.data(), rest.size());
      if (n <= 0) throw std::runtime_error("no memory for a file");
      rest = rest.subspan(static_cast<std::size_t>(n));
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }
  /// Writes these bytes over the first ones.
  void overwrite(std::span<const std::byte> bytes) const {
    if (::pwrite(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("cannot write to a file");
  }
  /// Cuts the file to this many bytes, as somebody who writes another one over it does.
  void cut(std::size_t bytes) const {
    if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) throw std::runtime_error("cannot cut a file");
  }

 private:
  int fd_;
  std::string path_;
};

}  // namespace monza::test
