// Sequences and optionals: parameters. A sequence or optional is one handle into the context's pool.
#pragma once

#include <cstdint>

namespace monza {

/// SequenceAt(sequence, position), OptionalGet(optional): tensor [extents of the element].
struct SequenceAtParams {
  std::uint32_t varying = 0;  ///< bit a: extent a is reported; the others must be those planned for
};

/// SplitToSequence(x, split?): pieces along an axis.
struct SplitToSequenceParams {
  std::int32_t axis = 0;
  std::int32_t keep = 1;  ///< 0: pieces of one index, without the axis
};

/// ConcatFromSequence(sequence): its tensors along an axis, or stacked along a new one.
struct ConcatFromSequenceParams {
  static constexpr std::int64_t kMostTensors = 1024;  ///< more end the run with resource_exhausted
  std::int32_t axis = 0;
  std::int32_t stacks = 0;
  std::uint32_t varying = 0;  ///< bit a: extent a of the result is reported
  std::uint32_t reserved = 0;
};

}  // namespace monza
