// Offsets of storages in an arena, so that those that live at the same time do not overlap.
#pragma once

#include <cstdint>
#include <vector>

namespace monza::plan {

/// A block of memory needed during the steps [first, last].
struct Lifetime {
  std::int64_t bytes = 0;
  int first = 0, last = 0;
  std::int64_t offset = 0;  ///< the result; a multiple of 64
};

struct ArenaSize {
  std::int64_t bytes = 0;
  std::int64_t lower_bound = 0;  ///< largest sum of bytes (rounded up to 64) live at one step
};

/// Assigns offsets. Several greedy orders are tried (by size, by lifetime, by start: see Pisarchyk & Lee, "Efficient
/// memory management for deep neural net inference", 2020), then a local search while the best is above the bound.
/// Deterministic.
ArenaSize assign_offsets(std::vector<Lifetime>& blocks);

}  // namespace monza::plan
