// The nodes of trees as a walk wants them: 16 bytes each rather than TreeNode's 56, and leaves as nodes that lead to
// themselves, so that all walks through a forest take as many steps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/ml/ml.params.h"

namespace monza::ops {

struct PackedForest {
  std::int32_t depth;    ///< steps from any root to a leaf, at most; -1: a loop
  std::int32_t uniform;  ///< 1: all nodes ask whether a feature is less than or equal to their split
  std::int32_t padding[2];
};

/// Of n nodes and l leaves' entries: those of the nodes, then of the entries, which are n and up in `next`.
struct PackedNode {
  std::int32_t feature, split;
  std::int32_t next[2];  ///< no, yes
};
static_assert(sizeof(PackedNode) == 16);

/// What else there is to a node.
struct PackedTest {
  std::int32_t mode, missing, set_begin, set_end;
};

/// Where the parts of a packed forest lie, which begins with a PackedForest.
struct PackedTrees {
  std::int64_t nodes, entries;
  constexpr std::size_t nodes_at() const { return sizeof(PackedForest); }
  constexpr std::size_t tests_at() const {
    return nodes_at() + static_cast<std::size_t>(nodes + entries) * sizeof(PackedNode);
  }
  constexpr std::size_t bytes() const { return tests_at() + static_cast<std::size_t>(nodes) * sizeof(PackedTest); }
};

}  // namespace monza::ops
