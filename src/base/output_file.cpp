#include "base/output_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/printable.h"

namespace monza {
namespace fs = std::filesystem;
namespace {

std::string shown_path(const fs::path& path) { return printable(path.string()); }

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

bool in_proc(const fs::path& path) {
  struct ::statfs st{};
  return ::statfs(folder_of(path).c_str(), &st) == 0 && st.f_type == PROC_SUPER_MAGIC;
}

/// Where a path leads, and what is there.
struct Place {
  fs::path target;
  struct ::stat st{};
  bool exists = false;
  bool own = false;  ///< an open descriptor, by its name in /proc: a link that leads to no name
};

Place find(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as the system counts
  Place place{path};
  for (int links = 0; links <= kMostLinks; ++links) {
    struct ::stat st{};
    if (::lstat(place.target.c_str(), &st) != 0) {
      if (errno == ENOENT && place.target.has_filename() && ::access(folder_of(place.target).c_str(), F_OK) == 0)
        return place;
      if (errno == ENOENT)
        fail_hint("a folder that exists", "cannot write '{}': {}", shown_path(path), system_reason(errno));
      fail("cannot write '{}': {}", shown_path(path), system_reason(errno));
    }
    place.own = S_ISLNK(st.st_mode) && in_proc(place.target);
    if (!S_ISLNK(st.st_mode) || place.own) {
      if (::stat(place.target.c_str(), &place.st) != 0)
        fail("cannot write '{}': {}", shown_path(path), system_reason(errno));
      place.exists = true;
      return place;
    }
    std::error_code error;
    const fs::path next = fs::read_symlink(place.target, error);
    if (error) fail("cannot follow the link '{}': {}", shown_path(place.target), error.message());
    place.target = folder_of(place.target) / next;
  }
  fail("cannot write '{}': {}", shown_path(path), system_reason(ELOOP));
}

/// Of a place that is written by renaming.
void check_regular(const fs::path& path, const Place& place) {
  if (place.exists && S_ISDIR(place.st.st_mode)) fail_hint("the name of a file", "'{}' is a folder", shown_path(path));
  if (place.exists && S_ISREG(place.st.st_mode) && !place.own &&
      // Who may do anything still does not overwrite what was made read-only.
      ((place.st.st_mode & 0222) == 0 || ::access(place.target.c_str(), W_OK) != 0))
    fail_hint("another name, or make it writable: chmod u+w", "'{}' may not be written: it is read-only",
              shown_path(path));
}

/// A descriptor of this process by its name under /proc: its number, or -1.
int own_descriptor(const fs::path& target) {
  std::error_code error;
  if (!fs::equivalent(folder_of(target), "/proc/self/fd", error)) return -1;
  return std::atoi(target.filename().c_str());
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  const Place place = find(path);
  check_regular(path, place);
  target_ = place.target;
  replaced_ = place.st;
  replaces_ = place.exists && S_ISREG(place.st.st_mode) && !place.own;
  through_ = place.exists && !replaces_;
  if (!through_) {
    open_temporary();
    return;
  }
  // What was printed before comes first where this is standard output.
  std::fflush(stdout);
  const int own = place.own ? own_descriptor(target_) : -1;
  fd_ = own >= 0 ? ::fcntl(own, F_DUPFD_CLOEXEC, 0) : ::open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd_ < 0) fail_at("cannot write", errno);
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::fail_at(const char* what, int error) const {
  fail("{} '{}': {}", what, shown_path(path_), system_reason(error));
}

/// A file that nobody sees until it is published: without a name where the file system allows it, so that a process
/// that is killed leaves nothing; else under a name beside. In place of another it is private until it has that one's
/// mode.
void OutputFile::open_temporary() {
  const mode_t mode = replaces_ ? 0600 : 0666;  // the system takes away what the process's mask says
  // The link from nowhere to a name goes through /proc.
  if (::access("/proc/self/fd", X_OK) == 0)
    fd_ = ::open(folder_of(target_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  for (int tries = 0; fd_ < 0 && tries < 100; ++tries) {
    const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
    const fs::path name = folder_of(target_) / fmt::format(".monza-{:x}-{:x}", ::getpid(), ticks);
    fd_ = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    if (fd_ >= 0) temporary_ = name.string();
    else if (errno != EEXIST) break;
  }
  if (fd_ < 0) fail_at("cannot create a file beside", errno);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_at("cannot write", n < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void OutputFile::keep_owner_and_mode() {
  mode_t mode = replaced_.st_mode & 07777;
  if (::fchown(fd_, replaced_.st_uid, replaced_.st_gid) != 0) {
    // Another owner's file: what was said of its group is not said of ours.
    mode &= 0777;
    if (::fchown(fd_, static_cast<uid_t>(-1), replaced_.st_gid) != 0) mode &= ~mode_t{070} | (mode & mode_t{07}) << 3;
  }
  if (::fchmod(fd_, mode) != 0) fail_at("cannot write", errno);
}

void OutputFile::publish() {
  // A link cannot replace a file, so the nameless one gets a name of its own first.
  for (int tries = 0; temporary_.empty() && tries < 100; ++tries) {
    const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
    const fs::path name = folder_of(target_) / fmt::format(".monza-{:x}-{:x}", ::getpid(), ticks);
    const std::string self = "/proc/self/fd/" + std::to_string(fd_);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) temporary_ = name.string();
    else if (errno != EEXIST) fail_at("cannot name the file beside", errno);
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_at("cannot rename to", errno);
  temporary_.clear();
  // The name, too, shall survive a crash. A file system that cannot promise that still has the file.
  if (const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    (void)::fsync(folder);
    ::close(folder);
  }
}

void OutputFile::commit() {
  if (!through_) {
    if (replaces_) keep_owner_and_mode();
    if (::fsync(fd_) != 0) fail_at("cannot write", errno);
    publish();
  }
  // Some file systems say only here that there was no room.
  if (::close(std::exchange(fd_, -1)) != 0) fail_at("cannot write", errno);
}

void write_file(const fs::path& path, std::span<const std::span<const std::byte>> pieces) {
  OutputFile file(path);
  for (const std::span<const std::byte> piece : pieces) file.write(piece);
  file.commit();
}

void write_file(const fs::path& path, std::string_view text) {
  const std::span<const std::byte> piece = std::as_bytes(std::span(text.data(), text.size()));
  write_file(path, std::span(&piece, 1));
}

void check_output(const fs::path& path) {
  const Place place = find(path);
  check_regular(path, place);
  if (!place.exists && ::access(folder_of(place.target).c_str(), W_OK) != 0)
    fail("cannot create a file beside '{}': {}", shown_path(path), system_reason(errno));
}

}  // namespace monza
