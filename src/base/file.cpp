#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/printable.h"

namespace monza {
namespace fs = std::filesystem;

std::string system_reason(int error) { return std::generic_category().message(error); }

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path, std::size_t max_bytes, bool stays_open) {
  // O_NONBLOCK: a named pipe must not hang us; it is refused below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("cannot open '{}': {}", printable(path.string()), system_reason(errno));
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    fail("'{}' is not a regular file", printable(path.string()));
  }
  const auto size = static_cast<std::size_t>(st.st_size);
  if (size > max_bytes) {
    ::close(fd);
    fail("'{}' has {} bytes, more than the limit of {}", printable(path.string()), size, max_bytes);
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  if (size > 0) {
    void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    if (stays_open) file->fd_ = fd;
    else ::close(fd);
    if (p == MAP_FAILED) fail("cannot map '{}' ({} bytes): {}", printable(path.string()), size, system_reason(error));
    file->data_ = static_cast<const std::byte*>(p);
    file->size_ = size;
  } else {
    ::close(fd);
  }
  return file;
}

MappedFile::~MappedFile() {
  if (fd_ >= 0) ::close(fd_);
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::span<const std::byte> MappedFile::slice(std::uint64_t offset, std::uint64_t length, std::string_view what) const {
  if (offset > size_ || length > size_ - offset)
    fail("{} lies at bytes [{}, +{}) of '{}', which has {} bytes", what, offset, length, printable(path_.string()),
         size_);
  return {data_ + offset, static_cast<std::size_t>(length)};
}

void MappedFile::read(std::uint64_t offset, std::span<std::byte> to, std::string_view what) const {
  (void)slice(offset, to.size(), what);
  while (!to.empty()) {
    const ssize_t n = ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read {} of '{}': {}", what, printable(path_.string()), system_reason(errno));
    if (n == 0)
      fail("{} is missing: '{}' has become shorter than its {} bytes", what, printable(path_.string()), size_);
    to = to.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void MappedFile::map_over(std::byte* at, std::uint64_t offset, std::uint64_t length) const {
  (void)slice(offset, length, "a mapping");
  if (length > 0 &&
      ::mmap(at, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd_, static_cast<off_t>(offset)) == MAP_FAILED)
    fail("cannot map '{}' ({} bytes): {}", printable(path_.string()), length, system_reason(errno));
}

std::uint64_t MappedFile::sample() const {
  std::vector<std::byte> ends(std::min<std::size_t>(size_, 64 << 10));
  read(0, ends, "the beginning");
  const std::uint64_t begin = hash64(ends, size_);
  read(size_ - ends.size(), ends, "the end");
  return hash64(ends, begin);
}

bool MappedFile::shrunk() const noexcept {
  struct stat st{};
  return fd_ >= 0 && ::fstat(fd_, &st) == 0 && static_cast<std::size_t>(st.st_size) < size_;
}

namespace {

/// What makes a file inside the folder one that a model may read; Error with the reason where it may not.
void check_inside(const fs::path& root, const fs::path& inner, const fs::path& full, std::string_view named) {
  for (const fs::path& part : inner)
    if (part.string().starts_with('.'))
      fail("'{}' names the hidden '{}': a model's data is no secret of its folder", named, part.string());
  if (root == root.root_path() && std::distance(inner.begin(), inner.end()) > 1)
    fail_hint("move the model and its data into a folder of their own",
              "'{}' is not beside the model: one in '/' may not name what lies in other folders", named);
  struct stat st{};
  if (::stat(full.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) fail("'{}' is not a regular file", full.string());
  // A second name may be that of a file from elsewhere, which an archive brought in beside the model.
  if (st.st_nlink > 1)
    fail_hint(fmt::format("if it belongs to the model, make it a file of its own: cp {0} {0}.copy && mv {0}.copy {0}",
                          printable(full.filename().string())),
              "'{}' has {} names (hard links), so it may be a file from outside the model's folder", named,
              st.st_nlink);
}

}  // namespace

fs::path resolve_confined(const fs::path& folder, std::string_view relative) {
  const std::string named = printable(relative);
  const fs::path wanted(relative);
  if (named != relative) fail("'{}' is no name of a file: it holds control characters or is no UTF-8", named);
  if (relative.empty() || wanted.is_absolute()) fail("'{}' is no relative path inside the model's folder", named);
  for (const fs::path& part : wanted)
    if (part == "..") fail("'{}' leaves the model's folder", named);
  std::error_code error;
  const fs::path root = fs::canonical(folder.empty() ? fs::path(".") : folder, error);
  if (error) fail("cannot resolve the folder '{}': {}", printable(folder.string()), error.message());
  const fs::path full = fs::canonical(root / wanted, error);
  if (error) fail("cannot find '{}' in the model's folder '{}': {}", named, printable(root.string()), error.message());
  const auto [mismatch, rest] = std::mismatch(root.begin(), root.end(), full.begin(), full.end());
  if (mismatch != root.end())
    fail("'{}' points outside the model's folder '{}' through a link", named, printable(root.string()));
  fs::path inner;
  for (auto part = rest; part != full.end(); ++part) inner /= *part;
  check_inside(root, inner, full, named);
  return full;
}

}  // namespace monza
