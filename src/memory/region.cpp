#include "memory/region.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "memory/poison.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; older kernels refuse it and pages are touched instead
#endif

namespace monza {
namespace {

constexpr std::int64_t kHugePage = static_cast<std::int64_t>(2) << 20;

std::int64_t page_bytes() { return sysconf(_SC_PAGESIZE); }

}  // namespace

Region::Region(std::int64_t bytes, const RegionOptions& options) : bytes_(bytes) {
  if (bytes < 0) fail("a memory region cannot have {} bytes", bytes);
  if (bytes == 0) return;
  const bool huge = options.huge_pages && bytes >= kHugePage;
  const std::int64_t unit = huge ? kHugePage : page_bytes();
  const std::int64_t rounded = checked_round_up(bytes, unit, "size of a memory region");
  const std::int64_t mapped = huge ? checked_add(rounded, unit, "size of a memory region") : rounded;
  map_bytes_ = static_cast<std::size_t>(mapped);
  map_ = mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map_ == MAP_FAILED) {
    map_ = nullptr;
    fail_hint("use smaller maximum shapes, or raise the limit on address space (ulimit -v)",
              "cannot reserve {} bytes of memory: {}", mapped, std::generic_category().message(errno));
  }
  const auto address = reinterpret_cast<std::uintptr_t>(map_);
  data_ = reinterpret_cast<std::byte*>((address + static_cast<std::uintptr_t>(unit) - 1) /
                                       static_cast<std::uintptr_t>(unit) * static_cast<std::uintptr_t>(unit));
  if (huge) madvise(data_, static_cast<std::size_t>(rounded), MADV_HUGEPAGE);
  if (options.prefault && madvise(data_, static_cast<std::size_t>(rounded), MADV_POPULATE_WRITE) != 0)
    for (std::int64_t at = 0; at < rounded; at += page_bytes())
      static_cast<volatile std::byte*>(data_)[at] = std::byte{0};
  poison(data_ + bytes, static_cast<std::size_t>(rounded - bytes));
}

Region::~Region() {
  if (map_ == nullptr) return;
  unpoison(map_, map_bytes_);
  munmap(map_, map_bytes_);
}

std::int64_t Region::resident_bytes() const {
  if (data_ == nullptr) return 0;
  const std::int64_t page = page_bytes(), pages = (bytes_ + page - 1) / page;
  std::vector<unsigned char> present(static_cast<std::size_t>(pages));
  if (mincore(data_, static_cast<std::size_t>(pages * page), present.data()) != 0) return 0;
  std::int64_t count = 0;
  for (unsigned char p : present) count += p & 1;
  return count * page;
}

}  // namespace monza
