// The nodes of trees in 24 bytes each, of which a walk reads 16, rather than in TreeNode's 56.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/ml/ml.params.h"

namespace monza::ops {

struct PackedNode {
  std::int32_t feature;
  std::int32_t next[2];  ///< no, yes
  std::uint8_t mode, missing;
  std::uint16_t padding;
};
static_assert(sizeof(PackedNode) == 16);

/// All nodes, then the bounds of every one's set.
struct PackedSet {
  std::int32_t begin, end;
};

constexpr std::size_t packed_node_bytes(std::int64_t nodes) {
  return static_cast<std::size_t>(nodes) * (sizeof(PackedNode) + sizeof(PackedSet));
}

}  // namespace monza::ops
