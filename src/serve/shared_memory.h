// Regions of POSIX shared memory that clients named: Triton's system shared memory extension.
//
// Tensors are read and written by their file, not by a mapping: a client that shortens its region while it is used
// would end the server otherwise (SIGBUS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace monza::serve {

/// One region; its file stays open as long as a request uses it. Thread-safe.
class SharedRegion {
 public:
  struct Place {
    std::string key;  ///< name of the object
    std::uint64_t offset = 0, bytes = 0;
  };
  SharedRegion(Place place, int file) : place_(std::move(place)), file_(file) {}
  ~SharedRegion();
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;

  const Place& place() const { return place_; }
  /// Throws RequestError 400 when [offset, offset + bytes) is not inside the region.
  void require(std::uint64_t offset, std::uint64_t bytes) const;
  /// Copies; require() has held for it. Throws RequestError 400 when the object has become shorter.
  void read(std::uint64_t offset, std::span<std::byte> to) const;
  void write(std::uint64_t offset, std::span<const std::byte> from) const;

 private:
  const Place place_;
  const int file_;
};

/// Thread-safe. All errors are RequestErrors.
class SharedMemory {
 public:
  /// Objects whose name begins with one of these, without the slash in front, may be registered. Empty: none.
  explicit SharedMemory(std::vector<std::string> prefixes) : prefixes_(std::move(prefixes)) {}

  /// 501 when no prefix is allowed, 403 for a key under none, 400 for what is no region of an object, 409 for a name
  /// that there is.
  void add(std::string_view name, SharedRegion::Place place);
  /// 404 for a name that is none.
  std::shared_ptr<const SharedRegion> find(std::string_view name) const;
  /// An unknown name is no error.
  void remove(std::string_view name);
  void remove_all();
  std::map<std::string, SharedRegion::Place> regions() const;

 private:
  void require_allowed(std::string_view key) const;

  const std::vector<std::string> prefixes_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_;
};

}  // namespace monza::serve
