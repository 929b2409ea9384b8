// The inverse of the packed form of trees' nodes.
#include "kernel/packed_format.h"
#include "ops/ml/tree_nodes.params.h"

namespace monza::ops {

extern const PackedFormat forest;

namespace {

std::size_t node_bytes(const KernelQuery& q, int input) noexcept {
  const OperandDesc &nodes = q.in[input], &targets = q.in[3];
  if (nodes.dtype != DType::i64 || nodes.shape.rank != 2 || nodes.shape[1] != TreeNode::kFields ||
      targets.shape.rank != 1)
    return kNeverPacked;
  return PackedTrees{nodes.shape[0], targets.shape[0]}.bytes();
}
void unpack_nodes(const KernelQuery& q, int input, const std::byte* packed, void* dense) noexcept {
  const PackedTrees trees{q.in[input].shape[0], q.in[3].shape[0]};
  const auto* nodes = reinterpret_cast<const PackedNode*>(packed + trees.nodes_at());
  const auto* tests = reinterpret_cast<const PackedTest*>(packed + trees.tests_at());
  const auto number = [&](std::int32_t next) -> std::int64_t {
    return next < trees.nodes ? next : ~(next - trees.nodes);
  };
  auto* to = static_cast<std::int64_t*>(dense);
  for (std::int64_t i = 0; i < trees.nodes; ++i, to += TreeNode::kFields) {
    to[TreeNode::feature] = nodes[i].feature;
    to[TreeNode::no] = number(nodes[i].next[0]);
    to[TreeNode::yes] = number(nodes[i].next[1]);
    to[TreeNode::mode] = tests[i].mode;
    to[TreeNode::missing] = tests[i].missing;
    to[TreeNode::set_begin] = tests[i].set_begin;
    to[TreeNode::set_end] = tests[i].set_end;
  }
}

}  // namespace

const PackedFormat forest{"forest", node_bytes, unpack_nodes};

constexpr const PackedFormat* kMlPackedFormats[] = {&forest};
extern const PackedFormatList ml_packed_formats{kMlPackedFormats};

}  // namespace monza::ops
