#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include "base/error.h"

namespace monza {
namespace fs = std::filesystem;
namespace {

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

/// A file that nobody sees until publish(). Without a name where the file system allows it, so that a process that is
/// killed leaves nothing; else under a name beside, removed unless published.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& path) : folder_(path.parent_path()), name_(path.string() + ".XXXXXX") {
    if (folder_.empty()) folder_ = ".";
    // The link from nowhere to a name goes through /proc.
    if (::access("/proc/self/fd", X_OK) == 0) fd_ = ::open(folder_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd_ >= 0) return;
    fd_ = ::mkostemp(name_.data(), O_CLOEXEC);
    if (fd_ < 0) fail("cannot create a file beside '{}': {}", path.string(), reason(errno));
    named_ = true;
  }
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (named_) ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int fd() const { return fd_; }
  /// Gives the file its name, in place of what has it now.
  void publish(const fs::path& path) {
    // A link cannot replace a file, so the nameless one gets a name of its own first.
    for (int tries = 0; !named_ && tries < 100; ++tries) {
      const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
      name_ = fmt::format("{}.{:x}.{:x}", path.string(), ::getpid(), ticks);
      const std::string self = "/proc/self/fd/" + std::to_string(fd_);
      named_ = ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name_.c_str(), AT_SYMLINK_FOLLOW) == 0;
      if (!named_ && errno != EEXIST) fail("cannot name the file beside '{}': {}", path.string(), reason(errno));
    }
    if (::rename(name_.c_str(), path.c_str()) != 0) fail("cannot rename to '{}': {}", path.string(), reason(errno));
    named_ = false;
    // The name, too, shall survive a crash. A file system that cannot promise that still has the file.
    if (const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
      (void)::fsync(folder);
      ::close(folder);
    }
  }

 private:
  int fd_ = -1;
  fs::path folder_;
  std::string name_;
  bool named_ = false;
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path, std::size_t max_bytes) {
  // O_NONBLOCK: a named pipe must not hang us; it is refused below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("cannot open '{}': {}", path.string(), reason(errno));
  struct stat st{};
  if (::fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    fail("'{}' is not a regular file", path.string());
  }
  const auto size = static_cast<std::size_t>(st.st_size);
  if (size > max_bytes) {
    ::close(fd);
    fail("'{}' has {} bytes, more than the limit of {}", path.string(), size, max_bytes);
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  if (size > 0) {
    void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    ::close(fd);
    if (p == MAP_FAILED) fail("cannot map '{}' ({} bytes): {}", path.string(), size, reason(error));
    file->data_ = static_cast<const std::byte*>(p);
    file->size_ = size;
  } else {
    ::close(fd);
  }
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::span<const std::byte> MappedFile::slice(std::uint64_t offset, std::uint64_t length, std::string_view what) const {
  if (offset > size_ || length > size_ - offset)
    fail("{} lies at bytes [{}, +{}) of '{}', which has {} bytes", what, offset, length, path_.string(), size_);
  return {data_ + offset, static_cast<std::size_t>(length)};
}

fs::path resolve_confined(const fs::path& folder, std::string_view relative) {
  const fs::path wanted(relative);
  if (const std::size_t zero = relative.find('\0'); zero != std::string_view::npos)
    fail("'{}...' is no path: it holds a zero byte", relative.substr(0, zero));
  if (relative.empty() || wanted.is_absolute()) fail("'{}' is no relative path inside the model's folder", relative);
  for (const fs::path& part : wanted)
    if (part == "..") fail("'{}' leaves the model's folder", relative);
  std::error_code error;
  const fs::path root = fs::canonical(folder.empty() ? fs::path(".") : folder, error);
  if (error) fail("cannot resolve the folder '{}': {}", folder.string(), error.message());
  const fs::path full = fs::canonical(root / wanted, error);
  if (error) fail("cannot find '{}' in the model's folder '{}': {}", relative, root.string(), error.message());
  const auto [mismatch, unused] = std::mismatch(root.begin(), root.end(), full.begin(), full.end());
  (void)unused;
  if (mismatch != root.end())
    fail("'{}' points outside the model's folder '{}' through a link", relative, root.string());
  if (!fs::is_regular_file(full, error)) fail("'{}' is not a regular file", full.string());
  return full;
}

void write_file_atomically(const fs::path& path, std::span<const std::span<const std::byte>> pieces) {
  TemporaryFile file(path);
  for (std::span<const std::byte> piece : pieces) {
    while (!piece.empty()) {
      const ssize_t n = ::write(file.fd(), piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write '{}': {}", path.string(), reason(errno));
      piece = piece.subspan(static_cast<std::size_t>(n));
    }
  }
  // Temporary files are private; the result should be as readable as any new file.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(file.fd(), 0666 & ~mask) != 0 || ::fsync(file.fd()) != 0)
    fail("cannot write '{}': {}", path.string(), reason(errno));
  file.publish(path);
}

}  // namespace monza
