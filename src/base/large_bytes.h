// Bytes that may be more than memory shall hold: in memory, or in a spool file.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/spool_file.h"

namespace monza {

/// Immutable. `bytes` live as long as `owner`. With `spool` they are its first bytes, mapped: who wants all of them, to
/// write or hash them, reads the file piece by piece instead, so that the mapping takes no memory.
struct LargeBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::shared_ptr<const SpoolFile> spool;

  /// Calls use(piece) for all bytes in order.
  template <typename F>
  void each_piece(F&& use) const {
    if (spool == nullptr) return use(bytes);
    std::vector<std::byte> piece(std::min(bytes.size(), static_cast<std::size_t>(1) << 20));
    for (std::size_t at = 0; at < bytes.size(); at += piece.size()) {
      piece.resize(std::min(piece.size(), bytes.size() - at));
      spool->read(at, piece);
      use(std::span<const std::byte>(piece));
    }
  }
};

}  // namespace monza
