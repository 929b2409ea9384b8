// The inverse of the packed form of trees' nodes.
#include "kernel/packed_format.h"
#include "ops/ml/tree_nodes.params.h"

namespace monza::ops {

extern const PackedFormat tree_nodes;

namespace {

std::size_t node_bytes(const KernelQuery& q, int input) noexcept {
  const OperandDesc& nodes = q.in[input];
  if (nodes.dtype != DType::i64 || nodes.shape.rank != 2 || nodes.shape[1] != TreeNode::kFields) return kNeverPacked;
  return packed_node_bytes(nodes.shape[0]);
}
void unpack_nodes(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const std::int64_t count = q.in[input].shape[0];
  const auto* nodes = reinterpret_cast<const PackedNode*>(packed);
  const auto* sets = reinterpret_cast<const PackedSet*>(nodes + count);
  auto* to = static_cast<std::int64_t*>(dense);
  for (std::int64_t i = 0; i < count; ++i, to += TreeNode::kFields) {
    to[TreeNode::feature] = nodes[i].feature;
    to[TreeNode::no] = nodes[i].next[0];
    to[TreeNode::yes] = nodes[i].next[1];
    to[TreeNode::mode] = nodes[i].mode;
    to[TreeNode::missing] = nodes[i].missing;
    to[TreeNode::set_begin] = sets[i].begin;
    to[TreeNode::set_end] = sets[i].end;
  }
}

}  // namespace

const PackedFormat tree_nodes{"tree_nodes", node_bytes, unpack_nodes};

constexpr const PackedFormat* kMlPackedFormats[] = {&tree_nodes};
extern const PackedFormatList ml_packed_formats{kMlPackedFormats};

}  // namespace monza::ops
