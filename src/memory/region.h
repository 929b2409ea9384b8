// Address space with zeroed pages that are committed on first touch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace monza {

struct RegionOptions {
  bool prefault = false;    ///< touch every page now
  bool huge_pages = false;  ///< ask for 2 MiB pages, where the system gives them on request
};

/// A mapped range of anonymous memory: page-aligned (2 MiB with huge pages), zero-filled, unmapped at the end.
class Region {
 public:
  Region() = default;
  /// Reserves at least `bytes` (0: an empty region). Throws Error when there is no address space.
  explicit Region(std::int64_t bytes, const RegionOptions& options = {});
  ~Region();
  Region(Region&& other) noexcept
      : map_(std::exchange(other.map_, nullptr)),
        map_bytes_(std::exchange(other.map_bytes_, 0)),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Region& operator=(Region&& other) noexcept {
    std::swap(map_, other.map_);
    std::swap(map_bytes_, other.map_bytes_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const noexcept { return data_; }
  std::int64_t bytes() const noexcept { return bytes_; }  ///< as asked for
  /// Bytes of physical memory behind it now.
  std::int64_t resident_bytes() const;

 private:
  void* map_ = nullptr;
  std::size_t map_bytes_ = 0;
  std::byte* data_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace monza
