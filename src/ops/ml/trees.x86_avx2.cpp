// TreeEnsemble over f32 and f64: a block of rows goes through one tree after another, so that a tree's nodes stay in
// the L1 cache while the rows walk it.
//
// Bound by the latency of a step (load the node, load the feature, compare): several rows, or several trees of one row,
// are walked side by side.
#include "kernel/kernel.h"
#include "ops/ml/ml.params.h"
#include "ops/ml/tree_nodes.params.h"
#include "tensor/dtype.h"

namespace monza::ops {

extern const PackedFormat tree_nodes;  // ml_packed.any.cpp

namespace {

constexpr std::int64_t kRows = 64;  ///< of a task
constexpr int kTogether = 16;       ///< walks that are under way at once: a step waits some 12 cycles for two loads
constexpr Status kBroken{StatusCode::internal, "a kernel of ai.onnx.ml was given other operands"};
constexpr Status kNoFeature{StatusCode::out_of_range, "a tree tests a feature that the input does not have"};

/// Without their elements they are asked of nodes that have been packed.
bool packs(const OperandDesc& nodes) {
  if (!nodes.constant) return false;
  if (nodes.data == nullptr) return true;
  const auto* at = static_cast<const std::int64_t*>(nodes.data);
  for (std::int64_t i = 0; i < nodes.shape[0]; ++i, at += TreeNode::kFields) {
    for (int field = 0; field < TreeNode::kFields; ++field)
      if (at[field] < INT32_MIN || at[field] > INT32_MAX) return false;
    if (at[TreeNode::mode] < 0 || at[TreeNode::mode] > TreeNode::member || at[TreeNode::missing] < 0 ||
        at[TreeNode::missing] > 1)
      return false;
  }
  return true;
}
Refusal accepts_trees(const KernelQuery& q) noexcept {
  const DType type = q.input(0).dtype;
  if (type != DType::f32 && type != DType::f64) return "features other than f32 and f64";
  const auto aggregate = static_cast<const TreeEnsembleParams*>(q.params)->aggregate;
  using A = TreeEnsembleParams::Aggregate;
  if (aggregate != A::sum && aggregate != A::average) return "the least and the largest leaf";
  return packs(q.in[1]) ? nullptr : "nodes that are not constant, or of numbers beyond 32 bits";
}
std::size_t node_bytes(const KernelQuery& q) noexcept { return packed_node_bytes(q.in[1].shape[0]); }
void pack_nodes(const KernelQuery& q, std::byte* packed) noexcept {
  const std::int64_t count = q.in[1].shape[0];
  const auto* from = static_cast<const std::int64_t*>(q.in[1].data);
  auto* nodes = reinterpret_cast<PackedNode*>(packed);
  auto* sets = reinterpret_cast<PackedSet*>(nodes + count);
  const auto i32 = [](std::int64_t v) { return static_cast<std::int32_t>(v); };
  for (std::int64_t i = 0; i < count; ++i, from += TreeNode::kFields) {
    nodes[i] = {i32(from[TreeNode::feature]),
                {i32(from[TreeNode::no]), i32(from[TreeNode::yes])},
                static_cast<std::uint8_t>(from[TreeNode::mode]),
                static_cast<std::uint8_t>(from[TreeNode::missing]),
                0};
    sets[i] = {i32(from[TreeNode::set_begin]), i32(from[TreeNode::set_end])};
  }
}
constexpr Packing kTreePacking{.input = 1, .bytes = node_bytes, .pack = pack_nodes, .format = &tree_nodes};
std::size_t scratch_trees(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads) * static_cast<std::size_t>(kRows * q.out[0].shape[1]) * sizeof(double);
}

template <typename T>
struct Forest {
  const PackedNode* nodes;
  const std::int64_t* targets;
  const T *splits, *weights, *members;
  std::int64_t node_count, leaf_count, features;

  explicit Forest(const KernelContext& c)
      : nodes(c.in[1].as<const PackedNode>()),
        targets(c.in[3].as<const std::int64_t>()),
        splits(c.in[2].as<const T>()),
        weights(c.in[4].as<const T>()),
        members(c.in[6].as<const T>()),
        node_count(c.in[1].shape[0]),
        leaf_count(c.in[3].shape[0]),
        features(c.in[0].shape[1]) {}

  bool holds(std::int64_t at, T value, T split, std::int64_t member_count) const {
    switch (nodes[at].mode) {
      case TreeNode::less_or_equal: return value <= split;
      case TreeNode::less: return value < split;
      case TreeNode::greater_or_equal: return value >= split;
      case TreeNode::greater: return value > split;
      case TreeNode::equal: return value == split;
      case TreeNode::not_equal: return value != split;
      default: break;
    }
    const PackedSet set = reinterpret_cast<const PackedSet*>(nodes + node_count)[at];
    const std::int64_t begin = set.begin > 0 ? set.begin : 0, end = set.end < member_count ? set.end : member_count;
    for (std::int64_t i = begin; i < end; ++i)
      if (members[i] == value) return true;
    return false;
  }
};

template <typename T>
Status trees_of(const KernelContext& c) {
  const auto& p = c.params_as<TreeEnsembleParams>();
  const Forest<T> forest(c);
  const auto* roots = c.in[5].as<const std::int64_t>();
  const std::int64_t trees = c.in[5].shape[0], members = c.in[6].shape[0], rows = c.in[0].shape[0],
                     targets = c.out[0].shape[1];
  const T* x = c.in[0].as<const T>();
  T* out = c.out[0].as<T>();
  const double share =
      p.aggregate == TreeEnsembleParams::Aggregate::average && trees > 0 ? static_cast<double>(trees) : 1;
  std::int32_t wrong = 0, absent = 0;  // written by several threads, always the same value
  /// From a node to the next; a leaf, which is below 0, stays. False for tables that do not fit.
  const auto step = [&](std::int64_t& at, const T* row) {
    if (at >= forest.node_count) return void(__atomic_store_n(&wrong, 1, __ATOMIC_RELAXED)), false;
    const PackedNode& node = forest.nodes[at];
    if (static_cast<std::uint64_t>(node.feature) >= static_cast<std::uint64_t>(forest.features))
      return void(__atomic_store_n(&absent, 1, __ATOMIC_RELAXED)), false;
    const T value = row[node.feature], split = forest.splits[at];
    const bool yes = (value != value && node.missing != 0) ||
                     (node.mode == TreeNode::less_or_equal ? value <= split : forest.holds(at, value, split, members));
    at = node.next[yes];
    return true;
  };
  /// Walks `count` trees, or rows, side by side: the step of one waits for memory while others are taken.
  const auto walk = [&](std::int64_t* at, const T* const* row, int count) {
    bool open = true;
    for (std::int64_t steps = 0; open; ++steps) {
      if (steps > forest.node_count) return void(__atomic_store_n(&wrong, 1, __ATOMIC_RELAXED)), false;
      open = false;
      for (int k = 0; k < count; ++k) {
        if (at[k] < 0) continue;
        if (!step(at[k], row[k])) return false;
        open = true;
      }
    }
    return true;
  };
  const auto add = [&](std::int64_t leaf, double* sums) {
    for (std::int64_t entry = ~leaf, target = -1; target < 0; ++entry) {
      if (entry >= forest.leaf_count) return void(__atomic_store_n(&wrong, 1, __ATOMIC_RELAXED)), false;
      target = forest.targets[entry];  // below 0 where the leaf has more entries
      const std::int64_t to = target < 0 ? ~target : target;
      if (to < targets) sums[to] += static_cast<double>(forest.weights[entry]);
    }
    return true;
  };
  parallel_for(*c.parallel, (rows + kRows - 1) / kRows, [&](std::int64_t task, int worker) {
    auto* sums = reinterpret_cast<double*>(c.scratch) + worker * kRows * targets;
    const std::int64_t first = task * kRows, count = rows - first < kRows ? rows - first : kRows;
    for (std::int64_t i = 0; i < count * targets; ++i) sums[i] = 0;
    std::int64_t at[kTogether];
    const T* row[kTogether];
    // Pairs of a tree and a row, tree by tree, so that rows share its nodes; few rows fill a round with several trees.
    std::int64_t target[kTogether];
    std::int64_t tree = 0, r = 0;
    while (tree < trees && count > 0) {
      int some = 0;
      for (; some < kTogether && tree < trees; ++some) {
        at[some] = roots[tree];
        row[some] = x + (first + r) * forest.features;
        target[some] = r * targets;
        if (++r == count) r = 0, ++tree;
      }
      if (!walk(at, row, some)) return;
      for (int k = 0; k < some; ++k)
        if (!add(at[k], sums + target[k])) return;
    }
    for (std::int64_t i = 0; i < count * targets; ++i) out[first * targets + i] = static_cast<T>(sums[i] / share);
  });
  return absent ? kNoFeature : wrong ? kBroken : Status();
}

Status run_trees(const KernelContext& c) noexcept {
  return c.in[0].dtype == DType::f32 ? trees_of<float>(c) : trees_of<double>(c);
}

}  // namespace

extern const Kernel tree_ensemble_avx2{.name = "tree_ensemble_avx2",
                                       .op = "TreeEnsemble",
                                       .needs = Isa::avx2,
                                       .version = 2,
                                       .in{Port::dense, Port::packed, Port::dense},
                                       .packings = &kTreePacking,
                                       .packing_count = 1,
                                       .accepts = accepts_trees,
                                       .scratch_bytes = scratch_trees,
                                       .run = run_trees};

}  // namespace monza::ops
