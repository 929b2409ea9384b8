#include "base/spool_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace monza {

SpoolFile::SpoolFile(const std::filesystem::path& folder) : folder_(folder.empty() ? "." : folder) {
  fd_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {  // the file system has no files without names
    std::string name = (folder_ / ".monza-XXXXXX").string();
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ >= 0) ::unlink(name.c_str());
  }
  if (fd_ < 0) fail_at("cannot create a file in", errno);
}

SpoolFile::~SpoolFile() { ::close(fd_); }

void SpoolFile::fail_at(const char* what, int error) const {
  fail("{} '{}' for the weights: {}", what, folder_.string(), system_reason(error));
}

void SpoolFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_at("cannot write to a file in", n < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void SpoolFile::read(std::uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t n = ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_at("cannot read a file in", n < 0 ? errno : ENODATA);
    to = to.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

std::span<const std::byte> SpoolFile::map(const std::shared_ptr<SpoolFile>& file, std::uint64_t bytes,
                                          std::shared_ptr<const void>* owner) {
  if (::ftruncate(file->fd_, static_cast<off_t>(bytes)) != 0) file->fail_at("cannot write to a file in", errno);
  if (bytes == 0) return {};
  void* const map = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file->fd_, 0);
  if (map == MAP_FAILED) file->fail_at("cannot map a file in", errno);
  *owner = std::shared_ptr<const void>(map, [file, bytes](const void* p) { ::munmap(const_cast<void*>(p), bytes); });
  return {static_cast<const std::byte*>(map), bytes};
}

void SpoolFile::map_over(std::byte* at, std::uint64_t length) const {
  if (length > 0 && ::mmap(at, length, PROT_READ, MAP_SHARED | MAP_FIXED, fd_, 0) == MAP_FAILED)
    fail_at("cannot map a file in", errno);
}

}  // namespace monza
