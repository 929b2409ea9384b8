// What lies where in a plan's arenas, and for how long: for people who ask where the memory goes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "plan/data/plan.h"

namespace monza::plan {

/// A range of a device's arena that a step writes, or has as scratch memory, until its last use.
struct ArenaBlock {
  int device = 0;
  std::int64_t offset = 0, bytes = 0;
  std::uint32_t first = 0, last = 0;  ///< steps: the one that writes it, the last that reads it
  bool scratch = false;
  std::string_view step;      ///< the name of the first: the ONNX nodes it computes; lives as long as the plan
  std::int32_t operand = -1;  ///< that is written; -1: scratch
};

/// Every distinct place that steps write, by device, offset and first step.
std::vector<ArenaBlock> arena_blocks(const Plan& plan);

/// The blocks that are alive in the step in which most bytes of the arenas are, largest first, without those that lie
/// inside another one of them.
std::vector<ArenaBlock> arena_peak(const Plan& plan);

}  // namespace monza::plan
