#include "serve/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "serve/request_error.h"

namespace monza::serve {
namespace {

/// Each holds a file descriptor.
constexpr std::size_t kMostRegions = 256;

}  // namespace

SharedRegion::~SharedRegion() { ::close(file_); }

void SharedRegion::require(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset > place_.bytes || bytes > place_.bytes - offset)
    fail_with(400, "{} bytes at {} are not inside a region of {}", bytes, offset, place_.bytes);
}

void SharedRegion::read(std::uint64_t offset, std::span<std::byte> to) const {
  std::uint64_t at = place_.offset + offset;
  while (!to.empty()) {
    const ssize_t n = ::pread(file_, to.data(), to.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_with(400, "the shared memory has become shorter than its region");
    to = to.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
}

void SharedRegion::write(std::uint64_t offset, std::span<const std::byte> from) const {
  std::uint64_t at = place_.offset + offset;
  while (!from.empty()) {
    const ssize_t n = ::pwrite(file_, from.data(), from.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_with(400, "the shared memory cannot be written to");
    from = from.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
}

void SharedMemory::require_allowed(std::string_view key) const {
  if (prefixes_.empty())
    fail_with(501, "shared memory is off: the server was not told which names it may open (--shared-memory)");
  // One name in the folder of shared memory: no further folder, and none above.
  const std::string_view name = key.substr(key.starts_with('/') ? 1 : 0);
  const bool plain = !name.empty() && name.size() < NAME_MAX && name.find('/') == name.npos &&
                     name.find('\0') == name.npos && !name.starts_with('.');
  if (!plain) fail_with(400, "'{}' is no name of shared memory", key);
  if (std::none_of(prefixes_.begin(), prefixes_.end(), [&](const auto& prefix) { return name.starts_with(prefix); }))
    fail_with(403, "the server may not open shared memory of the name '{}'", key);
}

void SharedMemory::add(std::string_view name, SharedRegion::Place place) {
  require_allowed(place.key);
  if (name.empty() || name.size() > NAME_MAX) fail_with(400, "a region needs a name of at most {} bytes", NAME_MAX);
  if (place.bytes == 0 || place.offset > static_cast<std::uint64_t>(INT64_MAX) ||
      place.bytes > static_cast<std::uint64_t>(INT64_MAX) - place.offset)
    fail_with(400, "{} bytes at {} are no region", place.bytes, place.offset);
  const std::string object = "/" + place.key.substr(place.key.starts_with('/') ? 1 : 0);
  const int file = ::shm_open(object.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
  if (file < 0) fail_with(400, "there is no shared memory '{}' that the server may use", place.key);
  const auto region = std::make_shared<const SharedRegion>(std::move(place), file);
  struct stat about{};
  if (::fstat(file, &about) != 0 || !S_ISREG(about.st_mode) ||
      region->place().offset + region->place().bytes > static_cast<std::uint64_t>(about.st_size))
    fail_with(400, "shared memory '{}' has fewer bytes than {} at {}", region->place().key, region->place().bytes,
              region->place().offset);
  const std::lock_guard lock(mutex_);
  if (regions_.size() >= kMostRegions)
    fail_with(429, "{} regions of shared memory are registered already", kMostRegions);
  if (!regions_.emplace(name, region).second)
    fail_with(409, "there is a region '{}' already: unregister it first", name);
}

std::shared_ptr<const SharedRegion> SharedMemory::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end()) fail_with(404, "no shared memory is registered as '{}'", name);
  return found->second;
}

void SharedMemory::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = regions_.find(name); found != regions_.end()) regions_.erase(found);
}

void SharedMemory::remove_all() {
  const std::lock_guard lock(mutex_);
  regions_.clear();
}

std::map<std::string, SharedRegion::Place> SharedMemory::regions() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, SharedRegion::Place> list;
  for (const auto& [name, region] : regions_) list.emplace(name, region->place());
  return list;
}

}  // namespace monza::serve
